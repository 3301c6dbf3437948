#include "backend/cuda/cudnn_descriptor.h"

#include <utility>

#include "secateur/core/error.h"

namespace secateur {

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type, std::string_view what) : what_(what) {
  check_cudnn(cudnnBackendCreateDescriptor(type, &descriptor_), what_);
}

CudnnDescriptor::~CudnnDescriptor() {
  if (descriptor_ != nullptr) cudnnBackendDestroyDescriptor(descriptor_);
}

CudnnDescriptor::CudnnDescriptor(CudnnDescriptor&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, nullptr)), what_(std::move(other.what_)) {}

CudnnDescriptor& CudnnDescriptor::operator=(CudnnDescriptor&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(what_, other.what_);
  return *this;
}

std::string CudnnDescriptor::text(std::string_view verb, int attribute) const {
  return fmt::format("{}: {} attribute {}", what_, verb, attribute);
}

void CudnnDescriptor::set_raw(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type,
                              std::int64_t count, const void* values) {
  const cudnnStatus_t status = cudnnBackendSetAttribute(descriptor_, attribute, type, count, values);
  if (status != CUDNN_STATUS_SUCCESS) check_cudnn(status, text("setting", attribute));
}

void CudnnDescriptor::set(cudnnBackendAttributeName_t attribute, std::int64_t value) {
  set_raw(attribute, CUDNN_TYPE_INT64, 1, &value);
}

void CudnnDescriptor::set(cudnnBackendAttributeName_t attribute, std::span<const std::int64_t> values) {
  set_raw(attribute, CUDNN_TYPE_INT64, static_cast<std::int64_t>(values.size()), values.data());
}

void CudnnDescriptor::set(cudnnBackendAttributeName_t attribute, const CudnnDescriptor& value) {
  set_raw(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.descriptor_);
}

void CudnnDescriptor::set_text(cudnnBackendAttributeName_t attribute, std::string_view text) {
  set_raw(attribute, CUDNN_TYPE_CHAR, static_cast<std::int64_t>(text.size()), text.data());
}

void CudnnDescriptor::finalize() { check_cudnn(try_finalize(), what_); }

cudnnStatus_t CudnnDescriptor::try_finalize() { return cudnnBackendFinalize(descriptor_); }

std::int64_t CudnnDescriptor::integer(cudnnBackendAttributeName_t attribute) const {
  std::int64_t value = 0;
  require(get_raw(attribute, CUDNN_TYPE_INT64, 1, &value) == 1, "{}",
          text("there is no value of", attribute));
  return value;
}

std::int64_t CudnnDescriptor::get_raw(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type,
                                      std::int64_t capacity, void* values) const {
  std::int64_t count = 0;
  const cudnnStatus_t status =
      cudnnBackendGetAttribute(descriptor_, attribute, type, capacity, &count, values);
  if (status != CUDNN_STATUS_SUCCESS) check_cudnn(status, text("reading", attribute));
  return count;
}

}  // namespace secateur
