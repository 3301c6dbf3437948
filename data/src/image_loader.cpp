#include "secateur/data/image_loader.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <thread>
#include <utility>

#include "secateur/core/error.h"
#include "secateur/core/log.h"
#include "secateur/core/rng.h"
#include "worker_pool.h"

namespace secateur::data {
namespace {

// A folder with so many bad images in a row is no set of images.
constexpr std::int64_t kMostInARow = 64;
// Bad images that are reported one by one.
constexpr std::size_t kReported = 20;

std::int64_t thread_count(std::int64_t wanted) {
  return wanted > 0 ? wanted : std::max<std::int64_t>(1, std::thread::hardware_concurrency());
}

}  // namespace

// The threads, and what they share.
class ImageLoader::Workers {
 public:
  explicit Workers(std::int64_t threads) : pool(threads) {}

  void report(std::int64_t full_index, const std::string& reason) {
    const std::lock_guard lock(mutex_);
    if (!bad_.insert(full_index).second) return;
    if (bad_.size() <= kReported) log_line(fmt::format("an image is left out: {}", reason));
    if (bad_.size() == kReported) log_line("further images that are left out are only counted");
  }
  [[nodiscard]] std::int64_t bad() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::int64_t>(bad_.size());
  }

  WorkerPool pool;

 private:
  mutable std::mutex mutex_;
  std::set<std::int64_t> bad_;
};

ImageLoader::ImageLoader(ImageSet set, const LoaderOptions& options)
    : PixelSource(options.normalize ? set.statistics() : no_normalization(set.image_shape().channels)),
      set_(std::move(set)),
      options_(options),
      side_(set_.image_shape().height) {
  const MapShape shape = set_.image_shape();
  DecodingOptions& decoding = options_.decoding;
  require(set_.size() > 0, "data set '{}' has no images to load", set_.name());
  require(set_.encoded() != nullptr, "data set '{}' is not encoded: its images need a Loader", set_.name());
  require(shape.height == shape.width && shape.channels == 3,
          "encoded images are loaded square, in 3 channels");
  require(set_.size() <= std::numeric_limits<std::uint32_t>::max(),
          "data set '{}': {} images are too many to shuffle", set_.name(), set_.size());
  if (decoding.shorter == 0) decoding.shorter = std::lround(static_cast<double>(shape.height) * 8 / 7);
  decoding.shorter = std::max(decoding.shorter, shape.height);
  require(decoding.crop.least_area > 0 && decoding.crop.least_area <= 1,
          "the least area of a random crop is a share of the image, got {}", decoding.crop.least_area);
  require(decoding.jitter.strength >= 0 && decoding.jitter.strength <= 1,
          "the strength of colour jitter is between 0 and 1, got {}", decoding.jitter.strength);
  require(decoding.jitter.hue >= 0 && decoding.jitter.hue <= 0.5,
          "the hue is turned by up to half of the colour circle, got {}", decoding.jitter.hue);
  require(decoding.threads >= 0 && decoding.threads <= 1024, "{} threads to decode by", decoding.threads);
  workers_ = std::make_unique<Workers>(thread_count(decoding.threads));
  begin_epoch(0);
}

ImageLoader::~ImageLoader() = default;

void ImageLoader::set_image_size(std::int64_t side) {
  require(side >= 8 && side <= set_.image_shape().height,
          "images of data set '{}' are made with sides from 8 to {} (--image-size), not {}", set_.name(),
          set_.image_shape().height, side);
  side_ = side;
}

void ImageLoader::begin_epoch(std::int64_t epoch) {
  order_ = epoch_order(size(), options_.shuffle, options_.seed, epoch);
  epoch_ = static_cast<std::uint32_t>(epoch);
}

void ImageLoader::fill_pixels(std::int64_t first, std::int64_t count, std::span<std::uint8_t> pixels,
                              std::span<std::int32_t> labels) {
  const std::int64_t stride = image_shape().count();
  workers_->pool.run(count, [&](std::int64_t i) {
    load(first + i, pixels.data() + i * stride, labels[static_cast<std::size_t>(i)]);
  });
}

std::int64_t ImageLoader::bad_images() const { return workers_->bad(); }

void ImageLoader::load(std::int64_t i, std::uint8_t* pixels, std::int32_t& label) {
  std::string reason;
  for (std::int64_t tried = 0; tried < std::min(size(), kMostInARow); ++tried) {
    const std::int64_t position = order_[static_cast<std::size_t>((i + tried) % size())];
    label = set_.label(position);
    try {
      return decode(position, pixels);
    } catch (const Error& error) {
      if (options_.decoding.strict) throw;
      reason = error.what();
      workers_->report(set_.full_index(position), reason);
    }
    if (!options_.shuffle) {
      const std::vector<double>& mean = set_.statistics().mean;
      for (std::int64_t k = 0; k < image_shape().count(); ++k) {
        pixels[k] = static_cast<std::uint8_t>(std::lround(mean[static_cast<std::size_t>(k % 3)] * 255));
      }
      return;
    }
  }
  fail("{} images of '{}' in a row cannot be decoded; the last one: {}", std::min(size(), kMostInARow),
       set_.name(), reason);
}

void ImageLoader::decode(std::int64_t position, std::uint8_t* pixels) const {
  // The file's bytes; each thread keeps its room for them.
  thread_local std::vector<std::byte> bytes;
  const std::int64_t index = set_.full_index(position);
  set_.encoded()->read(index, bytes);
  ImageDecoder decoder(bytes, set_.encoded()->name_of(index));
  if (!options_.augment) {
    const std::int64_t height = decoder.height();
    const std::int64_t width = decoder.width();
    const Output output = Output::center(height, width, options_.decoding.shorter, side_);
    const Region wanted = output.reads(height, width);
    // In full size: scaled decoding would be faster, and other pixels than everybody's evaluation sees.
    const DecodedRegion part = decoder.decode(wanted);
    const Region whole{part.region.y - wanted.y, part.region.x - wanted.x, static_cast<double>(height),
                       static_cast<double>(width)};
    return resample(part.image, whole, output, pixels);
  }
  RandomSequence random(options_.seed, RngPurpose::augmentation, epoch_, static_cast<std::uint32_t>(index));
  const Region crop = options_.decoding.crop.draw(decoder.height(), decoder.width(), random);
  const bool mirrored = (random.next_u32() >> 31) != 0 && options_.flip;
  const DecodedRegion part = decoder.decode_for(crop, side_, side_);
  resample(part.image, part.region, Output::all(side_, mirrored), pixels);
  options_.decoding.jitter.apply(pixels, side_ * side_, random);
}

}  // namespace secateur::data
