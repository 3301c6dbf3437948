// The public functions of backend/cuda.h in a build without CUDA.
#ifndef SECATEUR_WITH_CUDA

#include "secateur/backend/cuda.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

[[noreturn]] void refuse() { fail("this build has no CUDA back end (cmake --preset cuda builds one)"); }

}  // namespace

std::unique_ptr<Stream> wrap_cuda_stream(Device& /*device*/, CUstream_st* /*stream*/) { refuse(); }
CUstream_st* cuda_stream_handle(Stream& /*stream*/) { refuse(); }
std::unique_ptr<Device> make_described_cuda_device(const GpuDescription& /*gpu*/) { refuse(); }
void recall_conv_choices(Stream& /*stream*/, const std::filesystem::path& /*file*/) { refuse(); }
void keep_conv_choices(Stream& /*stream*/, const std::filesystem::path& /*file*/) { refuse(); }

}  // namespace secateur

#endif
