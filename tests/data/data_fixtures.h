// Small sets and folders for the tests of data/.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "secateur/core/device.h"
#include "secateur/core/error.h"
#include "secateur/core/rng.h"
#include "secateur/core/tensor.h"
#include "secateur/data/dataset.h"

namespace secateur::data {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("secateur-data-" + std::to_string(getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

// Random pixels; label of image i: i % classes.
inline ImageSet random_set(std::int64_t count, MapShape shape = {5, 4, 3}, std::int64_t classes = 3) {
  ImageSetContent content;
  content.name = "random";
  content.image_shape = shape;
  RandomSequence random(7, RngPurpose::test);
  for (std::int64_t i = 0; i < count * shape.count(); ++i) {
    content.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  }
  for (std::int64_t i = 0; i < count; ++i) content.labels.push_back(static_cast<std::int32_t>(i % classes));
  for (std::int64_t i = 0; i < classes; ++i) content.class_names.push_back("class" + std::to_string(i));
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    content.statistics.mean.push_back(0.4 + 0.05 * static_cast<double>(c));
    content.statistics.deviation.push_back(0.2 + 0.03 * static_cast<double>(c));
  }
  return ImageSet(std::move(content));
}

// Message of the Error that `action` throws; fails the test when it throws none.
template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no Error was thrown";
  return "";
}

// Memory for a batch, filled with `fill` beforehand.
template <class T>
struct HostBatch {
  HostBatch(std::int64_t count, const MapShape& shape, std::int64_t leading, T fill = T{-77})
      : pixels(static_cast<std::size_t>(count * shape.positions() * leading), fill),
        label_values(static_cast<std::size_t>(count), -77),
        images(pixels.data(), DTypeOf<T>::value, shape.batched(count), leading),
        labels(label_values.data(), DType::i32, {count}) {}
  HostBatch(const HostBatch&) = delete;
  HostBatch& operator=(const HostBatch&) = delete;

  std::vector<T> pixels;
  std::vector<std::int32_t> label_values;
  Tensor images;
  Tensor labels;
};

struct Host {
  std::unique_ptr<Device> device = make_host_device(DeviceKind::cpu);
  std::unique_ptr<Stream> stream = device->make_stream();
};

}  // namespace secateur::data
