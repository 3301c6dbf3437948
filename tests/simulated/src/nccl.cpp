#include "nccl.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "dist/job.h"
#include "secateur/core/device.h"
#include "simulated/stream.h"

struct ncclComm {
  std::unique_ptr<secateur::Communicator> by_tcp;
};

namespace {

// Simulated device memory is host memory, so that a host's stream stands for the GPU's.
template <class Work>
ncclResult_t on_host(const Work& work) {
  try {
    const auto device = secateur::make_host_device(secateur::DeviceKind::cpu);
    work(*device->make_stream());
  } catch (const secateur::LostProcessError&) {
    return ncclRemoteError;
  }
  return ncclSuccess;
}

}  // namespace

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclSuccess ? "no error" : "remote process exited or there was a network error";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const std::string port = std::to_string(secateur::test::free_port());
  std::memcpy(id->internal, port.c_str(), port.size() + 1);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  *comm =
      new ncclComm{secateur::join_tcp(rank, ranks, secateur::test::rendezvous_at(std::atoi(id.internal)))};
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) { return ncclCommDestroy(comm); }

ncclResult_t ncclCommGetAsyncError(ncclComm_t /*comm*/, ncclResult_t* state) {
  *state = ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* /*from*/, void* to, std::size_t count, ncclDataType_t type,
                           ncclRedOp_t /*op*/, ncclComm_t comm, cudaStream_t stream) {
  const auto of = type == ncclFloat32 ? secateur::DType::f32 : secateur::DType::f64;
  const auto sum = [=] {
    return on_host(
        [&](secateur::Stream& host) { comm->by_tcp->sum(host, of, to, static_cast<std::int64_t>(count)); });
  };
  if (!secateur::simt::is_recorded(stream)) return sum();
  stream->joined = stream->forked_from == nullptr;
  secateur::simt::submit(
      stream, {.run = [sum] { return std::string(sum() == ncclSuccess ? "" : "NCCL"); }, .kernel = true});
  return ncclSuccess;
}

ncclResult_t ncclBroadcast(const void* /*from*/, void* to, std::size_t count, ncclDataType_t /*type*/,
                           int /*root*/, ncclComm_t comm, cudaStream_t /*stream*/) {
  return on_host([&](secateur::Stream& stream) {
    comm->by_tcp->broadcast(stream, to, static_cast<std::int64_t>(count));
  });
}
