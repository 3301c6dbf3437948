#include <array>

#include "backend/host_images.h"
#include "secateur/backend/cpu_twins.h"
#include "secateur/core/error.h"

namespace secateur::cpu {

void augment(const Tensor& out, std::span<const std::uint8_t> source, std::span<const std::int32_t> samples,
             std::uint32_t epoch, const AugmentOptions& options) {
  require(out.shape.rank() == 4 && out.dtype == DType::f32, "a batch is f32 [N, H, W, C], got {} of {}",
          out.shape.to_string(), name_of(out.dtype));
  const std::int64_t channels = out.channels();
  require(channels >= 1 && channels <= static_cast<std::int64_t>(kMostImageChannels),
          "images have 1 to {} channels, got {}", kMostImageChannels, channels);
  require(static_cast<std::int64_t>(samples.size()) == out.shape[0], "{} samples for a batch of {}",
          samples.size(), out.shape[0]);
  const std::int64_t rows = options.height + 2 * options.padding - out.shape[1] + 1;
  const std::int64_t columns = options.width + 2 * options.padding - out.shape[2] + 1;
  require(options.height >= 1 && options.width >= 1 && options.padding >= 0 && rows >= 1 && columns >= 1,
          "a crop of {}x{} does not fit into {}x{} with a padding of {}", out.shape[1], out.shape[2],
          options.height, options.width, options.padding);
  const std::int64_t images =
      static_cast<std::int64_t>(source.size()) / (options.height * options.width * channels);
  for (const std::int32_t sample : samples) {
    require(sample >= 0 && sample < images, "sample {} of a set of {} images", sample, images);
  }
  std::array<double, kMostImageChannels> mean{};
  std::array<double, kMostImageChannels> deviation{};
  for (std::size_t c = 0; c < kMostImageChannels; ++c) {
    mean[c] = static_cast<double>(options.mean[c]);
    deviation[c] = 1 / static_cast<double>(options.inverse_deviation[c]);
  }
  const auto used = static_cast<std::size_t>(channels);
  load_images_on_host({source.data(), options.height, options.width}, out.shape[0],
                      std::span(mean).first(used), std::span(deviation).first(used),
                      {.samples = samples.data(),
                       .padding = options.padding,
                       .crop = options.random_crop,
                       .mirror = options.random_flip,
                       .seed = options.seed,
                       .epoch = &epoch},
                      out);
}

}  // namespace secateur::cpu
