// The fifteen common corruptions at five severities (Hendrycks and Dietterich, "Benchmarking neural network
// robustness to common corruptions and perturbations", ICLR 2019), computed from 8-bit RGB images [H, W, 3].
//
// Parameters are those of the authors' script for CIFAR-10-C for images under 96 pixels in height, those of
// the one for ImageNet-C otherwise. Sources and tables: data/src/corruption_*.cpp.
//
// What differs from the authors' scripts:
//   all                values are rounded to the nearest grey level; the scripts cut the fraction off
//   random draws       from RandomSequence(seed, RngPurpose::corruption, image, corruption): severities of an
//                      image share their draws, where the scripts draw anew for each
//   shot_noise         Poisson draws by inversion of the distribution, 32 bits of resolution
//   defocus_blur       weights of the anti-aliased disk sum to 1 (the scripts cut its rim at radius 8 and 10)
//   motion_blur, snow  ImageMagick's motion blur (one-sided Gaussian weights along a line, clamped edges)
//                      without its conversion to 8 bits in between
//   glass_blur         as the script runs, not as it reads: its exchange of two pixels copies the neighbour,
//                      because both sides are views of one array; width and height may differ
//   zoom_blur, snow    images that are not square are zoomed about their own centre
//   snow               the snow layer is not stored in 8 bits before it is blurred
//   frost              a rendered texture (ridges of plasma and needles, bluish white) in place of crops of
//                      the authors' photographs; weights of image and frost are theirs
//   fog                the plasma's side is the power of two that covers the image (theirs: 32 and 256)
//   elastic_transform  strengths are in pixels of a 32 (244) pixel image, as theirs, whatever the size
//   jpeg_compression   the lossy part of JPEG in floating point: JFIF colour, 4:2:0 chroma, 8 x 8 DCT, the
//                      standard tables scaled by quality as libjpeg does, triangle-filter upsampling. No file
//                      is made; libjpeg's integer transforms may differ by a grey level.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "secateur/core/shape.h"
#include "secateur/data/dataset.h"

namespace secateur::data {

enum class Corruption : std::uint8_t {
  gaussian_noise,
  shot_noise,
  impulse_noise,
  defocus_blur,
  glass_blur,
  motion_blur,
  zoom_blur,
  snow,
  frost,
  fog,
  brightness,
  contrast,
  elastic_transform,
  pixelate,
  jpeg_compression,
};

inline constexpr int kCorruptions = 15;
inline constexpr int kSeverities = 5;

// All of them, in the order above: noise, blur, weather, digital.
[[nodiscard]] std::array<Corruption, kCorruptions> all_corruptions();
// "gaussian_noise", ...
[[nodiscard]] std::string_view name_of(Corruption corruption);
// Throws Error that names the nearest.
[[nodiscard]] Corruption corruption_from_name(std::string_view name);

// The image under a corruption of severity 1 .. 5. Throws Error for another severity, for a shape without
// exactly three channels or with a side under 8 pixels, and for an image that is not of this shape.
[[nodiscard]] std::vector<std::uint8_t> corrupt(std::span<const std::uint8_t> image, MapShape shape,
                                                Corruption corruption, int severity, std::uint64_t seed,
                                                std::uint32_t image_index);

// Every image of the set, keyed by its index in the full set, with the labels, classes and statistics of the
// set. Its name is "SET/CORRUPTION-SEVERITY". Throws Error as above.
[[nodiscard]] ImageSet corrupted(const ImageSet& set, Corruption corruption, int severity,
                                 std::uint64_t seed);

}  // namespace secateur::data
