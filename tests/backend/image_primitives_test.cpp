// Images that are loaded from bytes on a device: normalised, cropped and mirrored.
#include "backend/primitives_bench.h"

namespace secateur::selftest {
namespace {

class ImagePrimitivesOnDevice : public PrimitivesOnDevice {};

// Bytes that cover all 256 values, on the device.
class DevicePixels {
 public:
  DevicePixels(Bench& bench, std::int64_t count)
      : pixels(static_cast<std::size_t>(count)), device_(*bench.device) {
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 5 + i / 256);
    memory_ = device_.allocate(count + kIndexBytes);
    bench.stream->copy_to_device(memory_, pixels.data(), count);
  }
  ~DevicePixels() { device_.release(memory_, static_cast<std::int64_t>(pixels.size()) + kIndexBytes); }
  DevicePixels(const DevicePixels&) = delete;
  DevicePixels& operator=(const DevicePixels&) = delete;
  [[nodiscard]] const std::uint8_t* data() const { return static_cast<const std::uint8_t*>(memory_); }
  // Room for indices behind the pixels, whose number is a multiple of four.
  [[nodiscard]] std::int32_t* indices() const {
    return static_cast<std::int32_t*>(static_cast<void*>(static_cast<std::byte*>(memory_) + pixels.size()));
  }

  // Room for an epoch's number behind four indices.
  [[nodiscard]] std::uint32_t* epoch() const {
    return static_cast<std::uint32_t*>(static_cast<void*>(indices() + 4));
  }

  std::vector<std::uint8_t> pixels;

 private:
  static constexpr std::int64_t kIndexBytes = 64;
  Device& device_;
  void* memory_;
};

TEST_P(ImagePrimitivesOnDevice, LoadImagesNormalises) {
  // Two of three images, in a row of 8 lanes.
  const DevicePixels source(*bench_, 2 * 6 * 8 * 3);
  const std::vector<double> mean{0.4, 0.5, 0.6};
  const std::vector<double> deviation{0.2, 0.25, 0.3};
  const Tensor images = bench_->tensor({3, 6, 8, 3}, std::vector<double>(432, -7.0), 8);
  bench_->primitives.load_images(*bench_->stream, source.data(), 2, mean, deviation, {}, images);
  const std::vector<double> found = bench_->read(Tensor(images.data, images.dtype, {3, 6, 8, 8}));
  for (std::size_t i = 0; i < 144 * 8; ++i) {
    const std::size_t c = i % 8;
    const bool written = i < 96 * 8;
    const double value =
        c < 3 && written ? (source.pixels[i / 8 * 3 + c] / 255.0 - mean[c]) / deviation[c] : 0.0;
    const double untouched = c < 3 ? -7.0 : found[i];
    ASSERT_NEAR(found[i], written ? value : untouched, 2e-6) << i;
  }
}

TEST_P(ImagePrimitivesOnDevice, LoadImagesCropsAndMirrors) {
  constexpr std::int64_t kHeight = 6;
  constexpr std::int64_t kWidth = 5;
  const DevicePixels source(*bench_, 10 * kHeight * kWidth * 2);
  const std::vector<std::int32_t> samples{7, 0, 9, 7};
  bench_->stream->copy_to_device(source.indices(), samples.data(), 16);
  const std::uint32_t epoch = 3;
  bench_->stream->copy_to_device(source.epoch(), &epoch, sizeof(epoch));
  const ImageAugmentation augmentation{.samples = source.indices(),
                                       .padding = 2,
                                       .crop = true,
                                       .mirror = true,
                                       .seed = 11,
                                       .epoch = source.epoch()};
  const Tensor images = bench_->tensor({4, kHeight, kWidth, 2}, std::vector<double>(240, -7.0));
  bench_->primitives.load_images(*bench_->stream, source.data(), 4, std::vector<double>{0, 0},
                                 std::vector<double>{1, 1}, augmentation, images);
  const std::vector<double> found = bench_->read(images);
  std::size_t i = 0;
  for (const std::int32_t sample : samples) {
    RandomSequence random(11, RngPurpose::augmentation, 3, static_cast<std::uint32_t>(sample));
    const std::int64_t dy = random.below(5);
    const std::int64_t dx = random.below(5);
    const bool mirrored = random.next_u32() >> 31 == 1;
    for (std::int64_t y = 0; y < kHeight; ++y) {
      for (std::int64_t x = 0; x < kWidth; ++x) {
        const std::int64_t row = y + dy - 2;
        const std::int64_t column = (mirrored ? kWidth - 1 - x : x) + dx - 2;
        for (std::int64_t c = 0; c < 2; ++c, ++i) {
          const bool inside = row >= 0 && row < kHeight && column >= 0 && column < kWidth;
          const std::int64_t at = ((sample * kHeight + row) * kWidth + column) * 2 + c;
          ASSERT_NEAR(found[i], inside ? source.pixels[static_cast<std::size_t>(at)] / 255.0 : 0.0, 1e-6)
              << i;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, ImagePrimitivesOnDevice,
                         ::testing::Values(DeviceKind::cpu, DeviceKind::cuda), device_name);

}  // namespace
}  // namespace secateur::selftest
