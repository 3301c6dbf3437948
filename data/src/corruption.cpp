#include "secateur/data/corruption.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "corruption_map.h"
#include "secateur/core/error.h"
#include "secateur/core/names.h"

namespace secateur::data {
namespace {

using corruptions::PixelMap;
using corruptions::Scene;

struct Entry {
  Corruption corruption;
  std::string_view name;
  PixelMap (*apply)(Scene&);
};

constexpr std::array<Entry, kCorruptions> kEntries{{
    {Corruption::gaussian_noise, "gaussian_noise", corruptions::gaussian_noise},
    {Corruption::shot_noise, "shot_noise", corruptions::shot_noise},
    {Corruption::impulse_noise, "impulse_noise", corruptions::impulse_noise},
    {Corruption::defocus_blur, "defocus_blur", corruptions::defocus_blur},
    {Corruption::glass_blur, "glass_blur", corruptions::glass_blur},
    {Corruption::motion_blur, "motion_blur", corruptions::motion_blur},
    {Corruption::zoom_blur, "zoom_blur", corruptions::zoom_blur},
    {Corruption::snow, "snow", corruptions::snow},
    {Corruption::frost, "frost", corruptions::frost},
    {Corruption::fog, "fog", corruptions::fog},
    {Corruption::brightness, "brightness", corruptions::brightness},
    {Corruption::contrast, "contrast", corruptions::contrast},
    {Corruption::elastic_transform, "elastic_transform", corruptions::elastic_transform},
    {Corruption::pixelate, "pixelate", corruptions::pixelate},
    {Corruption::jpeg_compression, "jpeg_compression", corruptions::jpeg_compression},
}};

const Entry& entry_of(Corruption corruption) { return kEntries.at(static_cast<std::size_t>(corruption)); }

// Side from which ImageNet-C's parameters hold.
constexpr std::int64_t kLargeHeight = 96;
constexpr std::int64_t kLeastSide = 8;

void check_request(const MapShape& shape, int severity) {
  require(severity >= 1 && severity <= kSeverities, "a corruption's severity is 1 to {}, got {}", kSeverities,
          severity);
  require(shape.channels == 3 && shape.height >= kLeastSide && shape.width >= kLeastSide,
          "corruptions take RGB images of at least {0} x {0} pixels, got {1} x {2} x {3}", kLeastSide,
          shape.height, shape.width, shape.channels);
}

}  // namespace

std::array<Corruption, kCorruptions> all_corruptions() {
  std::array<Corruption, kCorruptions> all{};
  std::ranges::transform(kEntries, all.begin(), &Entry::corruption);
  return all;
}

std::string_view name_of(Corruption corruption) { return entry_of(corruption).name; }

Corruption corruption_from_name(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return entry.corruption;
    names.push_back(entry.name);
  }
  fail("there is no corruption '{}': expected one of {}{}", name, fmt::join(names, ", "),
       did_you_mean(name, names));
}

std::vector<std::uint8_t> corrupt(std::span<const std::uint8_t> image, MapShape shape, Corruption corruption,
                                  int severity, std::uint64_t seed, std::uint32_t image_index) {
  check_request(shape, severity);
  require(static_cast<std::int64_t>(image.size()) == shape.count(),
          "an image of {} x {} x {} has {} values, got {}", shape.height, shape.width, shape.channels,
          shape.count(), image.size());
  Scene scene{
      PixelMap(shape.height, shape.width, shape.channels), static_cast<std::size_t>(severity - 1),
      shape.height < kLargeHeight,
      RandomSequence(seed, RngPurpose::corruption, image_index, static_cast<std::uint32_t>(corruption))};
  std::ranges::transform(image, scene.image.values.begin(),
                         [](std::uint8_t value) { return static_cast<float>(value) / 255; });
  const PixelMap result = entry_of(corruption).apply(scene);
  std::vector<std::uint8_t> bytes(image.size());
  std::ranges::transform(result.values, bytes.begin(), [](float value) {
    return static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0F, 1.0F)));
  });
  return bytes;
}

ImageSet corrupted(const ImageSet& set, Corruption corruption, int severity, std::uint64_t seed) {
  const MapShape shape = set.image_shape();
  check_request(shape, severity);
  ImageSetContent content;
  content.name = fmt::format("{}/{}-{}", set.name(), name_of(corruption), severity);
  content.image_shape = shape;
  content.class_names = set.class_names();
  content.statistics = set.statistics();
  for (std::int64_t i = 0; i < set.size(); ++i) content.labels.push_back(set.label(i));
  content.pixels.resize(static_cast<std::size_t>(set.size() * shape.count()));
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < set.size(); ++i) {
    const std::vector<std::uint8_t> image = corrupt(set.image(i), shape, corruption, severity, seed,
                                                    static_cast<std::uint32_t>(set.full_index(i)));
    std::ranges::copy(image, content.pixels.begin() + i * shape.count());
  }
  return ImageSet(std::move(content));
}

}  // namespace secateur::data
