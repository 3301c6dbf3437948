// What every call of the kernel library returns. The library throws nothing and prints nothing: bad arguments
// give a Status with a message, and nothing is launched.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace secateur::kernels {

enum class StatusCode : std::uint8_t {
  ok,
  invalid_argument,  // a size, pointer, type or leading dimension breaks the contract
  unsupported,       // within the contract's types, but beyond what this kernel or device can hold
  launch_failed,     // the CUDA runtime refused the launch; the message has its words
};

struct Status {
  StatusCode code = StatusCode::ok;
  std::string message;

  [[nodiscard]] bool ok() const { return code == StatusCode::ok; }

  static Status success() { return {}; }
  static Status invalid(std::string message) { return {StatusCode::invalid_argument, std::move(message)}; }
  static Status unsupported(std::string message) { return {StatusCode::unsupported, std::move(message)}; }
};

}  // namespace secateur::kernels
