#include "secateur/bench/host_twin_cases.h"

#include <fmt/format.h>

#include <memory>

#include "secateur/backend/cpu_twins.h"
#include "secateur/bench/host_array.h"
#include "secateur/bench/plain_loops.h"
#include "secateur/core/rng.h"

namespace secateur::bench {
namespace {

constexpr const char* kOurs = "secateur";
constexpr const char* kPlain = "plain loops, 1 thread";

Runner moments_runner(std::int64_t images, std::int64_t side, std::int64_t channels, bool loops) {
  const Floats values = floats(images * side * side * channels, 1);
  const std::int64_t slots = images * channels;
  const Floats out = floats(4 * slots, 0);
  return {[=] {
            float* first = out->data();
            if (loops) {
              plain::channel_moments(first, first + slots, first + 2 * slots, first + 3 * slots,
                                     values->data(), images, side * side, channels);
            } else {
              cpu::channel_moments(Tensor(values->data(), DType::f32, {images, side, side, channels}),
                                   {first, first + slots, first + 2 * slots, first + 3 * slots});
            }
          },
          [=] { return digest(out->data(), out->count()); }};
}

constexpr std::int64_t kSide = 32;
constexpr std::int64_t kPadding = 4;

// As many images as CIFAR-10 has, a random batch of it.
struct Images {
  std::vector<std::uint8_t> source;
  std::vector<std::int32_t> samples;
  cpu::AugmentOptions options;

  explicit Images(std::int64_t batch) : source(std::size_t{50000} * kSide * kSide * 3) {
    std::uint32_t state = 1;  // a cheap generator: there are many pixels and any will do
    for (std::uint8_t& pixel : source) {
      state = state * 1664525 + 1013904223;
      pixel = static_cast<std::uint8_t>(state >> 24);
    }
    for (std::int64_t n = 0; n < batch; ++n) samples.push_back(static_cast<std::int32_t>(n * 7919 % 50000));
    options.height = options.width = kSide;
    options.padding = kPadding;
    options.random_crop = options.random_flip = true;
    options.mean.fill(0.5F);
    options.inverse_deviation.fill(4);
  }
};

Runner augment_runner(std::int64_t batch, bool loops) {
  auto images = std::make_shared<Images>(batch);
  constexpr std::int64_t kImage = kSide * kSide * 3;
  const Floats out = floats(batch * kImage, 0);
  return {[=] {
            if (!loops) {
              cpu::augment(Tensor(out->data(), DType::f32, {batch, kSide, kSide, 3}), images->source,
                           images->samples, 0, images->options);
              return;
            }
            for (std::size_t n = 0; n < images->samples.size(); ++n) {
              const std::int32_t sample = images->samples[n];
              RandomSequence random(0, RngPurpose::augmentation, 0, static_cast<std::uint32_t>(sample));
              const std::int64_t dy = random.below(2 * kPadding + 1);
              const std::int64_t dx = random.below(2 * kPadding + 1);
              plain::augment(out->data() + static_cast<std::int64_t>(n) * kImage,
                             images->source.data() + sample * kImage, kSide, kPadding, dy, dx,
                             random.next_u32() >> 31 != 0, 0.5F, 4);
            }
          },
          [=] { return digest(out->data(), out->count()); }};
}

}  // namespace

void add_moments_case(std::vector<Case>& cases, const std::string& shape, std::int64_t images,
                      const ConvLayer& layer) {
  const std::int64_t side = layer.side;
  const std::int64_t channels = layer.channels;
  cases.push_back({"channel_moments",
                   shape,
                   fmt::format("{}x{}x{}x{}", images, side, side, channels),
                   channel_moments_work({images, side * side, channels, 4}),
                   false,
                   {{kOurs, [=] { return moments_runner(images, side, channels, false); }},
                    {kPlain, [=] { return moments_runner(images, side, channels, true); }}}});
}

void add_augment_case(std::vector<Case>& cases, const NetworkLayers& network, std::int64_t batch) {
  if (network.image_side != kSide) return;
  cases.push_back({"augment",
                   fmt::format("{}/images", network.name),
                   fmt::format("{}x32x32x3", batch),
                   augment_work(batch, kSide * kSide, 3, 3, 4),
                   false,
                   {{kOurs, [=] { return augment_runner(batch, false); }},
                    {kPlain, [=] { return augment_runner(batch, true); }}}});
}

}  // namespace secateur::bench
