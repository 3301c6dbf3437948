// A thin owner of cuDNN's back-end descriptors (the graph API in C).
//
// The C++ front end, header only and 1.6 MB of templates, would be fetched, compiled and kept in step with
// cuDNN for the few descriptors that convolutions take; these lines over the C API need nothing but cuDNN
// itself, compile in a second and turn every refusal into an Error with cuDNN's own words.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "backend/cuda/cuda_check.h"

namespace secateur {

class CudnnDescriptor {
 public:
  // Throws Error; `what` names the descriptor in messages.
  CudnnDescriptor(cudnnBackendDescriptorType_t type, std::string_view what);
  ~CudnnDescriptor();
  CudnnDescriptor(CudnnDescriptor&& other) noexcept;
  CudnnDescriptor& operator=(CudnnDescriptor&& other) noexcept;
  CudnnDescriptor(const CudnnDescriptor&) = delete;
  CudnnDescriptor& operator=(const CudnnDescriptor&) = delete;

  [[nodiscard]] cudnnBackendDescriptor_t get() const { return descriptor_; }

  void set(cudnnBackendAttributeName_t attribute, std::int64_t value);
  void set(cudnnBackendAttributeName_t attribute, std::span<const std::int64_t> values);
  void set(cudnnBackendAttributeName_t attribute, const CudnnDescriptor& value);
  void set_text(cudnnBackendAttributeName_t attribute, std::string_view text);
  // Any other type: a value, or a count of them at an address.
  void set_raw(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type, std::int64_t count,
               const void* values);
  void finalize();
  // The same without an Error, for what may be refused.
  [[nodiscard]] cudnnStatus_t try_finalize();

  [[nodiscard]] std::int64_t integer(cudnnBackendAttributeName_t attribute) const;
  // Up to `capacity` values; returns how many there are.
  [[nodiscard]] std::int64_t get_raw(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type,
                                     std::int64_t capacity, void* values) const;

 private:
  [[nodiscard]] std::string text(std::string_view verb, int attribute) const;

  cudnnBackendDescriptor_t descriptor_ = nullptr;
  std::string what_;
};

}  // namespace secateur
