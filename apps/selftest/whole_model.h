// A model on a device with everything it needs to run, for tests.
#pragma once

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/backend/open_device.h"
#include "secateur/core/host_values.h"
#include "secateur/runtime/model.h"
#include "secateur/runtime/program.h"

namespace secateur::selftest {

struct WholeModel {
  std::unique_ptr<Device> device;
  std::unique_ptr<Stream> stream;
  Arena arena;
  Model model;
  Precision precision;

  WholeModel(Graph graph, DeviceKind kind, std::uint64_t seed = 7)
      : WholeModel(std::move(graph), kind, kind == DeviceKind::reference ? Precision::fp64 : Precision::fp32,
                   seed) {}
  WholeModel(Graph graph, DeviceKind kind, Precision compute, std::uint64_t seed)
      : device(open_device(kind)),
        stream(device->make_stream()),
        arena(*device),
        model(std::move(graph), *device),
        precision(compute) {
    model.initialize(seed, *stream);
  }
};

// ||a - b|| / ||b||, or ||a|| where b is zero.
[[nodiscard]] inline double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0;
  double norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += (a.at(i) - b[i]) * (a.at(i) - b[i]);
    norm += b[i] * b[i];
  }
  return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

}  // namespace secateur::selftest
