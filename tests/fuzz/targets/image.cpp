// Image files (JPEG, PNG, PPM): the header, the whole image and the part that a random crop asks for.
#include <algorithm>
#include <span>

#include "fuzz/fuzz_target.h"
#include "secateur/data/image_codec.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace secateur;
  using data::ImageDecoder;
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  // A header may claim many pixels and hold them: one colour deflates to next to nothing. That is no finding.
  constexpr std::int64_t kMostPixels = std::int64_t{1} << 20;
  const auto complete = [](const data::RgbxImage& image) {
    return static_cast<std::int64_t>(image.pixels.size()) == 4 * image.height * image.width;
  };
  static_cast<void>(fuzz::message_of([&] {
    ImageDecoder whole(bytes, "image");
    const std::int64_t height = whole.height();
    const std::int64_t width = whole.width();
    if (height < 1 || width < 1 || height > data::kMaxImagePixels / width) fuzz::broken("sizes are bounded");
    if (height > kMostPixels / width) return;
    const std::int64_t top = height / 3;
    const std::int64_t left = width / 3;
    const std::int64_t rows = std::max<std::int64_t>(height / 2, 1);
    const std::int64_t columns = std::max<std::int64_t>(width / 2, 1);
    const data::Region region{static_cast<double>(top), static_cast<double>(left), static_cast<double>(rows),
                              static_cast<double>(columns)};
    // What fails in one way may pass in another, which reads less of the file.
    static_cast<void>(fuzz::message_of([&] {
      const data::RgbxImage image = whole.decode();
      if (image.height != height || image.width != width || !complete(image)) {
        fuzz::broken("an image has the size that its header told");
      }
    }));
    for (const std::int64_t target : {std::int64_t{0}, std::int64_t{4}}) {
      static_cast<void>(fuzz::message_of([&] {
        ImageDecoder part(bytes, "image");
        const data::DecodedRegion decoded =
            target == 0 ? part.decode(region) : part.decode_for(region, target, target);
        const data::Region& within = decoded.region;
        if (!complete(decoded.image) || within.y < 0 || within.x < 0 ||
            within.y + within.height > static_cast<double>(decoded.image.height) + 1e-6 ||
            within.x + within.width > static_cast<double>(decoded.image.width) + 1e-6) {
          fuzz::broken("a region lies within the pixels that hold it");
        }
      }));
    }
  }));
  return 0;
}
