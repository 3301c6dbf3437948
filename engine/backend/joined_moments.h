// Moments of parts of a batch, joined: of the chunks that threads sum, and of the parts that processes have.
#pragma once

#include <cstdint>
#include <span>

#include "secateur/dist/communicator.h"

namespace secateur {

// Joins moments of `more` values into those of `count` values; `squares` are sums of squared deviations from
// the mean. Chan, Golub and LeVeque (1983).
inline void join_moments(double count, double more, double more_mean, double more_squares, double& mean,
                         double& squares) {
  const double share = more / (count + more);
  const double delta = more_mean - mean;
  squares += more_squares + delta * delta * count * share;
  mean += delta * share;
}

// The moments of `count` values a channel become those of all processes' values, joined in the order of the
// ranks. Returns how many values these are. Collective.
double join_moments(Communicator& communicator, double count, std::span<double> mean,
                    std::span<double> squares);

}  // namespace secateur
