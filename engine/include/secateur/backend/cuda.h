// What an embedding program needs of the CUDA back end beyond open_device: its own stream, and devices that
// are only described. Needs no header of the CUDA toolkit; in a build without CUDA every function throws
// Error.
#pragma once

#include <filesystem>
#include <memory>

#include "secateur/backend/gpu_description.h"
#include "secateur/core/device.h"

struct CUstream_st;  // cudaStream_t is a pointer to it

namespace secateur {

// Work queued on the caller's own stream, which must belong to the device's GPU and outlive the Stream.
// `device` is one that open_device(DeviceKind::cuda) gave.
[[nodiscard]] std::unique_ptr<Stream> wrap_cuda_stream(Device& device, CUstream_st* stream);
// The CUDA stream behind a Stream. Throws Error when it is of another kind of device.
[[nodiscard]] CUstream_st* cuda_stream_handle(Stream& stream);

// A GPU that is not there: models and programs are laid out and compiled for it, with the plans of its
// convolutions, and their memory is known. Memory is addresses only: what is written goes nowhere; reading it
// and running a program throw Error.
[[nodiscard]] std::unique_ptr<Device> make_described_cuda_device(const GpuDescription& gpu);

// Engines of convolutions that were chosen before (backend/conv_choices.h), for plans that the stream has not
// made yet. Nothing is done where there is no such file; throws Error for one that is damaged, or of another
// GPU or version of cuDNN.
void recall_conv_choices(Stream& stream, const std::filesystem::path& file);
// Writes those that the stream knows by now, where it has chosen any that it was not told. Throws Error where
// the file cannot be written.
void keep_conv_choices(Stream& stream, const std::filesystem::path& file);

}  // namespace secateur
