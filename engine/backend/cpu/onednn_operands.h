// Operands of oneDNN's primitives as the CPU back end holds them: made once, pointed at the tensors of each
// call.
#pragma once

#include <algorithm>
#include <dnnl.hpp>
#include <optional>
#include <string>
#include <vector>

#include "backend/cpu/rows.h"

namespace secateur::cpu {

using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;
using Description = dnnl::memory::desc;

// oneDNN's CPU engine holds no state but the fact that it is the CPU, so all kernels can share it.
inline const dnnl::engine& engine() {
  static const dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

// Runs `work`; errors of oneDNN become Errors that name the layer.
template <class Work>
auto guarded(const std::string& layer, Work&& work) {
  try {
    return work();
  } catch (const dnnl::error& error) {
    fail("layer '{}': oneDNN refused (status {}): {}", layer, static_cast<int>(error.status), error.what());
  }
}

using ElementType = dnnl::memory::data_type;

inline Description described(const Dims& dims, Tag tag, ElementType type = ElementType::f32) {
  return {dims, type, tag};
}

// What maps are stored in, and weights multiplied in: parameters and their gradients stay f32.
inline ElementType map_type(Precision precision) {
  return precision == Precision::bf16 ? ElementType::bf16 : ElementType::f32;
}

inline dnnl::memory unbound(const Description& description) {
  return {description, engine(), DNNL_MEMORY_NONE};
}

// A primitive's operands as the C interface takes them: the C++ one makes a list of them on every call.
class Operands {
 public:
  void add(int argument, const dnnl::memory& memory) {
    memories_.push_back(memory);
    list_.push_back({argument, memory.get()});
  }
  void set(int argument, void* data) {
    for (std::size_t i = 0; i < list_.size(); ++i) {
      if (list_[i].arg == argument) memories_[i].set_data_handle(data);
    }
  }
  void execute(const dnnl::primitive& primitive, const dnnl::stream& stream) const {
    dnnl::error::wrap_c_api(
        dnnl_primitive_execute(primitive.get(), stream.get(), static_cast<int>(list_.size()), list_.data()),
        "a primitive could not be executed");
  }

 private:
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> list_;
};

// Parts of a workspace, one after the other.
class WorkspaceLayout {
 public:
  // Offset of a new part of that many bytes.
  std::int64_t take(std::int64_t bytes) {
    constexpr std::int64_t kAlignment = 256;
    const std::int64_t offset = end_;
    end_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return offset;
  }
  std::int64_t take(const Description& description) {
    return take(static_cast<std::int64_t>(description.get_size()));
  }
  [[nodiscard]] std::int64_t bytes() const { return end_; }

 private:
  std::int64_t end_ = 0;
};

inline std::byte* at(void* workspace, std::int64_t offset) {
  return static_cast<std::byte*>(workspace) + offset;
}

// An activation as oneDNN sees it: with its padding lanes as channels like others (`lanes`), or without.
// Where the stored tensor has some that it is not to see, a compact copy in the workspace stands in for it,
// which is far cheaper than oneDNN's reference path for strided maps.
class Activation {
 public:
  Activation(const Tensor& stored, bool lanes, WorkspaceLayout& layout) : copied_(!lanes && !stored.dense()) {
    if (copied_) offset_ = layout.take(stored.count() * size_of(stored.dtype));
  }

  void* read(const Tensor& stored, void* workspace) const {
    if (copied_) copy_map(stored, compact(stored, workspace));
    return target(stored, workspace);
  }
  // Where a result is to be written; store() then brings it to its tensor.
  void* target(const Tensor& stored, void* workspace) const {
    return copied_ ? at(workspace, offset_) : stored.data;
  }
  void store(const Tensor& stored, void* workspace) const {
    if (copied_) copy_map(compact(stored, workspace), stored);
  }

 private:
  [[nodiscard]] Tensor compact(const Tensor& stored, void* workspace) const {
    return {at(workspace, offset_), stored.dtype, stored.shape};
  }
  static void copy_map(const Tensor& source, const Tensor& destination) {
    with_map_type(source.dtype, [&](auto zero) { copy_tensor<decltype(zero)>(source, destination); });
  }

  bool copied_;
  std::int64_t offset_ = 0;
};

// Filters as they are stored, [filters, positions, channels], and as oneDNN sees them where activations come
// with their padding lanes: more filters and channels, of zeros.
struct FilterLanes {
  std::int64_t filters = 0, positions = 0, channels = 0;
  std::int64_t filter_lanes = 0, channel_lanes = 0;  // 0: as stored

  [[nodiscard]] bool padded() const { return filter_lanes > 0; }
  [[nodiscard]] std::int64_t bytes() const {
    return filter_lanes * positions * channel_lanes * size_of(DType::f32);
  }
  void pad(const float* stored, float* lanes) const {
    copy_rows(stored, channels, lanes, channel_lanes, filters * positions, channels);
    std::fill(lanes + filters * positions * channel_lanes, lanes + filter_lanes * positions * channel_lanes,
              0.0F);
  }
  void unpad(const float* lanes, float* stored) const {
    copy_rows(lanes, channel_lanes, stored, channels, filters * positions, channels);
  }
};

// Weights (or their gradient) in the layout and type of a primitive, reached by a reorder from or to the
// user's KRSC.
class Weights {
 public:
  Weights(const Description& users, const FilterLanes& lanes, const Description& preferred, bool to_user,
          WorkspaceLayout& layout)
      : users_(unbound(users)), preferred_(unbound(preferred)), lanes_(lanes) {
    if (lanes_.padded()) lanes_offset_ = layout.take(lanes_.bytes());
    if (users == preferred) return;
    offset_ = layout.take(preferred);
    reorder_ = to_user ? dnnl::reorder(preferred_, users_) : dnnl::reorder(users_, preferred_);
    operands_.add(DNNL_ARG_FROM, to_user ? preferred_ : users_);
    operands_.add(DNNL_ARG_TO, to_user ? users_ : preferred_);
  }

  [[nodiscard]] const dnnl::memory& memory() const { return preferred_; }

  // Points the primitive's memory at the user's weights or at the workspace.
  void bind(float* weights, void* workspace) {
    stored_ = weights;
    if (lanes_.padded()) weights = reinterpret_cast<float*>(at(workspace, lanes_offset_));
    padded_ = weights;
    users_.set_data_handle(weights);
    preferred_.set_data_handle(reorder_ ? static_cast<void*>(at(workspace, offset_)) : weights);
  }
  void from_user(dnnl::stream& stream) {
    if (lanes_.padded()) lanes_.pad(stored_, padded_);
    if (reorder_) operands_.execute(*reorder_, stream);
  }
  void to_user(dnnl::stream& stream) {
    if (reorder_) operands_.execute(*reorder_, stream);
    if (!lanes_.padded()) return;
    stream.wait();
    lanes_.unpad(padded_, stored_);
  }

 private:
  dnnl::memory users_;
  dnnl::memory preferred_;
  FilterLanes lanes_;
  float* stored_ = nullptr;
  float* padded_ = nullptr;
  std::int64_t lanes_offset_ = 0;
  std::int64_t offset_ = 0;
  std::optional<dnnl::reorder> reorder_;
  Operands operands_;
};

// A primitive with its operands and its scratchpad in the workspace.
class Pass {
 public:
  Pass(const dnnl::primitive_desc_base& description, WorkspaceLayout& layout)
      : primitive_(description.get()),
        scratchpad_(unbound(description.query_md(dnnl::query::scratchpad_md))) {
    scratchpad_offset_ = layout.take(scratchpad_.get_desc());
    operands_.add(DNNL_ARG_SCRATCHPAD, scratchpad_);
  }

  void add(int argument, const dnnl::memory& memory) { operands_.add(argument, memory); }
  void set(int argument, void* data) { operands_.set(argument, data); }
  void run(dnnl::stream& stream, void* workspace) {
    scratchpad_.set_data_handle(at(workspace, scratchpad_offset_));
    operands_.execute(primitive_, stream);
    stream.wait();
  }

 private:
  dnnl::primitive primitive_;
  dnnl::memory scratchpad_;
  std::int64_t scratchpad_offset_ = 0;
  Operands operands_;
};

}  // namespace secateur::cpu
