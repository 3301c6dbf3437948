// What communicators of the host's memory have in common: the memory of a host device is taken as it is, and
// an accelerator's goes by way of the host.
#pragma once

#include <vector>

#include "secateur/dist/communicator.h"

namespace secateur {

class HostCommunicator : public Communicator {
 public:
  void sum(Stream& stream, DType type, void* values, std::int64_t count) final;
  void broadcast(Stream& stream, void* values, std::int64_t bytes) final;
  void sum(std::span<double> values) final;

 protected:
  using Communicator::Communicator;
  // Of f32 or f64, on the host. `count` and `bytes` are above 0.
  virtual void sum_memory(DType type, void* values, std::int64_t count) = 0;
  virtual void broadcast_memory(void* values, std::int64_t bytes) = 0;

 private:
  template <class Work>
  void on_host(Stream& stream, void* values, std::int64_t bytes, const Work& work);

  std::vector<std::byte> staged_;
};

}  // namespace secateur
