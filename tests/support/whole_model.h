// A model on a host device with everything it needs to run, for tests.
#pragma once

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "secateur/backend/kernel.h"
#include "secateur/runtime/model.h"
#include "secateur/runtime/program.h"

namespace secateur::test {

struct WholeModel {
  std::unique_ptr<Device> device;
  std::unique_ptr<Stream> stream;
  Arena arena;
  Model model;
  Precision precision;

  WholeModel(Graph graph, DeviceKind kind, std::uint64_t seed = 7)
      : device(make_host_device(kind)),
        stream(device->make_stream()),
        arena(*device),
        model(std::move(graph), *device),
        precision(kind == DeviceKind::reference ? Precision::fp64 : Precision::fp32) {
    model.initialize(seed, *stream);
  }
};

// The tensor's logical values as doubles, row by row, without padding lanes.
[[nodiscard]] inline std::vector<double> values_of(const Tensor& tensor, Stream& stream) {
  const auto stored = static_cast<std::size_t>(tensor.rows() * tensor.leading);
  std::vector<double> wide(stored);
  if (tensor.dtype == DType::f64) {
    stream.copy_to_host(wide.data(), tensor.data, tensor.stored_bytes());
  } else {
    std::vector<float> narrow(stored);
    stream.copy_to_host(narrow.data(), tensor.data, tensor.stored_bytes());
    wide.assign(narrow.begin(), narrow.end());
  }
  std::vector<double> dense;
  for (std::int64_t row = 0; row < tensor.rows(); ++row) {
    const auto begin = wide.begin() + row * tensor.leading;
    dense.insert(dense.end(), begin, begin + tensor.channels());
  }
  return dense;
}

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

}  // namespace secateur::test
