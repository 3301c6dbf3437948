#include "export/onnx_file.h"

#include <bit>

#include "secateur/core/error.h"

namespace secateur {
namespace {

constexpr int kVarint = 0;
constexpr int kLengthDelimited = 2;
constexpr int kFixed32 = 5;

// TensorProto.DataType
constexpr std::int64_t kFloat = 1;
constexpr std::int64_t kInt64 = 7;

void append_little_endian(std::string& text, std::uint64_t bits, int bytes) {
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(bits >> (8 * i) & 0xff);
}

// The IR version that came with an opset; readers refuse a newer one than they know.
std::int64_t ir_version(std::int64_t opset) {
  return opset <= 14 ? 7 : opset <= 18 ? 8 : opset <= 20 ? 9 : 10;
}

}  // namespace

void ProtoMessage::varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) text_ += static_cast<char>((value & 0x7f) | 0x80);
  text_ += static_cast<char>(value);
}

void ProtoMessage::key(int field, int wire_type) {
  varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire_type));
}

void ProtoMessage::integer(int field, std::int64_t value) {
  key(field, kVarint);
  varint(static_cast<std::uint64_t>(value));
}

void ProtoMessage::real(int field, float value) {
  key(field, kFixed32);
  append_little_endian(text_, std::bit_cast<std::uint32_t>(value), 4);
}

void ProtoMessage::bytes(int field, std::string_view value) {
  key(field, kLengthDelimited);
  varint(value.size());
  text_ += value;
}

// AttributeProto: name 1, f 2, i 3, ints 8, type 20.
OnnxAttributes& OnnxAttributes::integer(std::string_view name, std::int64_t value) {
  ProtoMessage& attribute = list_.emplace_back();
  attribute.bytes(1, name);
  attribute.integer(3, value);
  attribute.integer(20, 2);
  return *this;
}

OnnxAttributes& OnnxAttributes::integers(std::string_view name, std::span<const std::int64_t> values) {
  ProtoMessage& attribute = list_.emplace_back();
  attribute.bytes(1, name);
  for (const std::int64_t value : values) attribute.integer(8, value);
  attribute.integer(20, 7);
  return *this;
}

OnnxAttributes& OnnxAttributes::real(std::string_view name, float value) {
  ProtoMessage& attribute = list_.emplace_back();
  attribute.bytes(1, name);
  attribute.real(2, value);
  attribute.integer(20, 1);
  return *this;
}

// NodeProto: input 1, output 2, name 3, op_type 4, attribute 5. GraphProto: node 1.
void OnnxFile::add_node(std::string_view op, std::string_view name, std::span<const std::string> inputs,
                        const std::string& output, const OnnxAttributes& attributes) {
  ProtoMessage node;
  for (const std::string& input : inputs) node.bytes(1, input);
  node.bytes(2, output);
  node.bytes(3, name);
  node.bytes(4, op);
  for (const ProtoMessage& attribute : attributes.list()) node.message(5, attribute);
  graph_.message(1, node);
}

// TensorProto: dims 1, data_type 2, name 8, raw_data 9. GraphProto: initializer 5.
void OnnxFile::add_floats(std::string_view name, std::span<const std::int64_t> extents,
                          std::span<const double> values) {
  ProtoMessage tensor;
  for (const std::int64_t extent : extents) tensor.integer(1, extent);
  tensor.integer(2, kFloat);
  tensor.bytes(8, name);
  std::string raw;
  raw.reserve(values.size() * 4);
  for (const double value : values) {
    append_little_endian(raw, std::bit_cast<std::uint32_t>(static_cast<float>(value)), 4);
  }
  tensor.bytes(9, raw);
  graph_.message(5, tensor);
}

void OnnxFile::add_integers(std::string_view name, std::span<const std::int64_t> values) {
  ProtoMessage tensor;
  tensor.integer(1, static_cast<std::int64_t>(values.size()));
  tensor.integer(2, kInt64);
  tensor.bytes(8, name);
  std::string raw;
  for (const std::int64_t value : values) append_little_endian(raw, static_cast<std::uint64_t>(value), 8);
  tensor.bytes(9, raw);
  graph_.message(5, tensor);
}

// ValueInfoProto: name 1, type 2. TypeProto: tensor_type 1. Tensor: elem_type 1, shape 2. TensorShapeProto:
// dim
// 1. Dimension: dim_value 1, dim_param 2.
void OnnxFile::add_value(int field, std::string_view name, std::span<const std::int64_t> extents) {
  ProtoMessage shape;
  for (const std::int64_t extent : extents) {
    ProtoMessage dimension;
    if (extent == 0) {
      dimension.bytes(2, "batch");
    } else {
      dimension.integer(1, extent);
    }
    shape.message(1, dimension);
  }
  ProtoMessage tensor;
  tensor.integer(1, kFloat);
  tensor.message(2, shape);
  ProtoMessage type;
  type.message(1, tensor);
  ProtoMessage value;
  value.bytes(1, name);
  value.message(2, type);
  graph_.message(field, value);
}

// GraphProto: input 11, output 12.
void OnnxFile::add_input(std::string_view name, std::span<const std::int64_t> extents) {
  add_value(11, name, extents);
}

void OnnxFile::add_output(std::string_view name, std::span<const std::int64_t> extents) {
  add_value(12, name, extents);
}

// StringStringEntryProto: key 1, value 2.
void OnnxFile::add_metadata(std::string_view key, std::string_view value) {
  ProtoMessage& entry = metadata_.emplace_back();
  entry.bytes(1, key);
  entry.bytes(2, value);
}

// ModelProto: ir_version 1, producer_name 2, producer_version 3, graph 7, opset_import 8, metadata_props 14.
// GraphProto: name 2. OperatorSetIdProto: domain 1, version 2.
std::string OnnxFile::finish(std::string_view producer_version, std::int64_t opset) {
  graph_.bytes(2, "secateur");
  ProtoMessage operators;
  operators.bytes(1, "");
  operators.integer(2, opset);
  ProtoMessage model;
  model.integer(1, ir_version(opset));
  model.bytes(2, "secateur");
  model.bytes(3, producer_version);
  model.message(8, operators);
  for (const ProtoMessage& entry : metadata_) model.message(14, entry);
  model.message(7, graph_);
  require(model.text().size() < (std::size_t{1} << 31),
          "the ONNX file would have {} bytes, past protobuf's 2 GiB", model.text().size());
  return model.take();
}

}  // namespace secateur
