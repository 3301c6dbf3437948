#include "dist/host_communicator.h"

namespace secateur {

template <class Work>
void HostCommunicator::on_host(Stream& stream, void* values, std::int64_t bytes, const Work& work) {
  if (bytes == 0) return;
  if (stream.device().kind() != DeviceKind::cuda) {
    work(values);
    return;
  }
  staged_.resize(static_cast<std::size_t>(bytes));
  stream.copy_to_host(staged_.data(), values, bytes);
  work(staged_.data());
  stream.copy_to_device(values, staged_.data(), bytes);
  stream.synchronize();  // the staged bytes are used again
}

void HostCommunicator::sum(Stream& stream, DType type, void* values, std::int64_t count) {
  require(type == DType::f32 || type == DType::f64, "sums over processes are of f32 or f64, not of {}",
          name_of(type));
  on_host(stream, values, count * size_of(type), [&](void* memory) { sum_memory(type, memory, count); });
}

void HostCommunicator::broadcast(Stream& stream, void* values, std::int64_t bytes) {
  on_host(stream, values, bytes, [&](void* memory) { broadcast_memory(memory, bytes); });
}

void HostCommunicator::sum(std::span<double> values) {
  if (!values.empty()) sum_memory(DType::f64, values.data(), static_cast<std::int64_t>(values.size()));
}

}  // namespace secateur
