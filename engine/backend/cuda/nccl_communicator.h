// NCCL between GPUs.
#pragma once

#include <memory>

#include "secateur/core/device.h"
#include "secateur/dist/communicator.h"

namespace secateur {

// See open_communicator. Null in a build without NCCL.
[[nodiscard]] std::unique_ptr<Communicator> make_nccl_communicator(Device& device, Communicator& hosts);

}  // namespace secateur
