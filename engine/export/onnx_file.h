// The part of ONNX's protobuf messages that a network needs, written straight in protobuf's wire format:
// writing takes varints and length-delimited fields and no protobuf library. Field numbers are those of
// onnx.proto3. https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/core/shape.h"

namespace secateur {

// One message: fields one after another.
class ProtoMessage {
 public:
  void integer(int field, std::int64_t value);
  void real(int field, float value);
  void bytes(int field, std::string_view value);
  void message(int field, const ProtoMessage& value) { bytes(field, value.text_); }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void key(int field, int wire_type);
  void varint(std::uint64_t value);
  std::string text_;
};

// A node's attributes.
class OnnxAttributes {
 public:
  OnnxAttributes& integer(std::string_view name, std::int64_t value);
  OnnxAttributes& integers(std::string_view name, std::span<const std::int64_t> values);
  OnnxAttributes& real(std::string_view name, float value);
  [[nodiscard]] const std::vector<ProtoMessage>& list() const { return list_; }

 private:
  std::vector<ProtoMessage> list_;
};

// A ModelProto under construction.
class OnnxFile {
 public:
  void add_node(std::string_view op, std::string_view name, std::span<const std::string> inputs,
                const std::string& output, const OnnxAttributes& attributes);
  void add_floats(std::string_view name, std::span<const std::int64_t> extents,
                  std::span<const double> values);
  void add_integers(std::string_view name, std::span<const std::int64_t> values);
  // A dimension of 0 is the one called "batch".
  void add_input(std::string_view name, std::span<const std::int64_t> extents);
  void add_output(std::string_view name, std::span<const std::int64_t> extents);
  void add_metadata(std::string_view key, std::string_view value);
  // Throws Error past protobuf's limit of 2 GiB.
  [[nodiscard]] std::string finish(std::string_view producer_version, std::int64_t opset);

 private:
  void add_value(int field, std::string_view name, std::span<const std::int64_t> extents);
  ProtoMessage graph_;
  std::vector<ProtoMessage> metadata_;
};

}  // namespace secateur
