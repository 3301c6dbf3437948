#include "backend/joined_moments.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "secateur/core/error.h"

namespace secateur {

double join_moments(Communicator& communicator, double count, std::span<double> mean,
                    std::span<double> squares) {
  const std::size_t channels = mean.size();
  std::vector<double> part{count};
  part.insert(part.end(), mean.begin(), mean.end());
  part.insert(part.end(), squares.begin(), squares.end());
  const auto parts = communicator.all_gather(std::as_bytes(std::span(part)));
  std::ranges::fill(mean, 0.0);
  std::ranges::fill(squares, 0.0);
  double joint = 0;
  for (const std::vector<std::byte>& bytes : parts) {
    require(bytes.size() == part.size() * sizeof(double),
            "the processes went apart: a batch norm of {} channels met one of another width", channels);
    std::memcpy(part.data(), bytes.data(), bytes.size());
    for (std::size_t c = 0; c < channels; ++c) {
      join_moments(joint, part[0], part[1 + c], part[1 + channels + c], mean[c], squares[c]);
    }
    joint += part[0];
  }
  return joint;
}

}  // namespace secateur
