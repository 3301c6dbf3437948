#include <cstdint>
#include <limits>
#include <vector>

#include "fuzz/seeds.h"
#include "secateur/core/error.h"
#include "secateur/data/image_codec.h"

namespace secateur::fuzz {

void make_cifar(const Corpus& corpus) {
  const auto record = [](char fine) {
    return std::string(1, '\x13') + fine + std::string(1024, '\x10') + std::string(1024, '\x20') +
           std::string(1024, '\x30');
  };
  const std::string names = "ape\nbee\ncat\n";
  const std::string records = record(0) + record(2);
  corpus.add("valid", records + names);
  corpus.add("windows-lines", records + "ape\r\nbee\r\ncat\r\n");
  corpus.add("label-out-of-range", record(0) + record(3) + names);
  corpus.add("label-255", record('\xff') + record(0) + names);
  corpus.add("cut", records.substr(0, 3080));
  corpus.add("too-many-names", records + names + "dog\n");
  corpus.add("no-names", records);
}

void make_images(const Corpus& corpus) {
  data::RgbxImage image{.height = 12, .width = 20, .pixels = {}};
  for (int i = 0; i < 12 * 20 * 4; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * 7 % 251));
  const auto text = [](const std::vector<std::byte>& bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  const std::string jpeg = text(data::encode_jpeg(image, 80));
  const std::string ppm = text(data::encode_ppm(image));
  corpus.add("jpeg", jpeg);
  corpus.add("jpeg-cut", jpeg.substr(0, jpeg.size() * 2 / 3));
  corpus.add("jpeg-header-alone", jpeg.substr(0, 20));
  // Six rows of three cells; and with a marker out of order.
  data::RgbxImage large{.height = 96, .width = 96, .pixels = {}};
  for (int i = 0; i < 96 * 96 * 4; ++i) large.pixels.push_back(static_cast<std::uint8_t>(i / 31 * 7 % 251));
  const std::string cells = text(data::with_restart_markers(data::encode_jpeg(large, 10), "seed"));
  corpus.add("jpeg-restarts", cells);
  corpus.add("jpeg-restarts-out-of-order", [&] {
    std::string file = cells;
    const std::size_t marker = file.rfind("\xff\xd3");
    require(marker != std::string::npos, "eighteen cells have a fourth marker");
    return file.replace(marker + 1, 1, "\xd6");
  }());
  corpus.add("jpeg-65535-squared", [&] {
    std::string file = jpeg;  // the frame header: marker, length, precision, height, width
    const std::size_t frame = file.find("\xff\xc0");
    require(frame != std::string::npos, "a baseline JPEG has a frame header");
    return file.replace(frame + 5, 4, "\xff\xff\xff\xff");
  }());
  // An EXIF note that says "turned by 90 degrees" and one whose directory lies outside of it.
  const auto exif = [&](std::string_view directory) {
    return jpeg.substr(0, 2) +
           std::string(
               "\xff\xe1\x00\x22"
               "Exif\0\0II*\0",
               14) +
           std::string(directory) + jpeg.substr(2);
  };
  corpus.add("exif-turned",
             exif(std::string_view("\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", 22)));
  corpus.add("exif-outside", exif(std::string_view(
                                 "\xff\xff\xff\xff\xff\xff\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", 22)));
  corpus.add("ppm", ppm);
  corpus.add("ppm-cut", ppm.substr(0, ppm.size() / 2));
  corpus.add("ppm-overflow", "P6\n4294967296 4294967296\n255\n");
  corpus.add("ppm-negative", "P6\n-4 4\n255\n");
  corpus.add("ppm-comment", "P6\n# a\n1 1\n255\nabc");
  // One grey pixel, as PNG; and the same that claims 2^31 - 1 squared.
  const std::string png(
      "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\nIDATx\x9c\x63\x60"
      "\0\0\0\x02\0\x01"
      "\x48\xaf\xa4\x71\0\0\0\0IEND\xae\x42\x60\x82",
      67);
  corpus.add("png", png);
  corpus.add("png-huge", std::string(png).replace(16, 8, "\x7f\xff\xff\xff\x7f\xff\xff\xff"));
  corpus.add("nothing-known", "GIF89a");
}

// The first byte tells the target which file the rest is: 0 a class map, 1 classes of the validation images.
void make_class_maps(const Corpus& corpus) {
  const std::string map(1, '\0');
  const std::string labels(1, '\1');
  corpus.add("map", map + "cat the cat\nape an ape\nbee\n");
  corpus.add("map-twice", map + "cat\ncat\nape\nbee\n");
  corpus.add("map-without-a-class", map + "cat\nape\n");
  corpus.add("map-empty", map);
  corpus.add("map-blank-lines", map + "\r\n\r\ncat\r\nape\r\nbee\r\n");
  corpus.add("labels-by-name", labels + "a.jpg ape\nb.jpg cat\n");
  corpus.add("labels-by-stem", labels + "a,ape\nb,cat\n");
  corpus.add("labels-by-number", labels + "1\n3\n");
  corpus.add("labels-number-0", labels + "0\n3\n");
  corpus.add("labels-past-64-bits", labels + "99999999999999999999\n1\n");
  corpus.add("labels-too-few", labels + "1\n");
  corpus.add("labels-unknown-class", labels + "a.jpg dog\nb.jpg cat\n");
  corpus.add("labels-same-file", labels + "a.jpg ape\na.jpg ape\n");
  corpus.add("labels-no-text", labels + std::string("\0\xff\xfe\n", 4));
}

// What is laid over a packed file's arrays: ends, labels, checksums, names and records of three records,
// twice.
void make_packed(const Corpus& corpus) {
  const auto numbers = [](auto... values) {
    std::string bytes;
    (bytes.append(reinterpret_cast<const char*>(&values), sizeof(values)), ...);
    return bytes;
  };
  using I = std::int64_t;
  corpus.add("as-it-is", numbers(I{4}, I{8}, I{12}));
  corpus.add("ends-descend", numbers(I{8}, I{4}, I{12}));
  corpus.add("ends-negative", numbers(I{-4}, I{8}, I{12}));
  corpus.add("ends-at-2^63", numbers(I{4}, I{8}, std::numeric_limits<I>::max()));
  corpus.add("empty-records", numbers(I{0}, I{0}, I{12}));
  corpus.add("label-out-of-range", numbers(I{4}, I{8}, I{12}, std::int32_t{2}, -1, 1 << 30));
  corpus.add("checksums", numbers(I{4}, I{8}, I{12}, 0, 1, 0, std::uint64_t{1}, std::uint64_t{2}));
  corpus.add("names-without-ends",
             numbers(I{4}, I{8}, I{12}, 0, 1, 0, I{0}, I{0}, I{0}) + std::string(27, '\n'));
}

}  // namespace secateur::fuzz
