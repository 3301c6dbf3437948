#include "fuzz/mutate.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "secateur/core/rng.h"

namespace secateur::fuzz {
namespace {

constexpr std::array<std::uint64_t, 16> kIntegers{0,
                                                  1,
                                                  0x7f,
                                                  0x80,
                                                  0xff,
                                                  0x100,
                                                  0x7fff,
                                                  0xffff,
                                                  0x7fffffff,
                                                  0x80000000,
                                                  0xffffffff,
                                                  0x100000000,
                                                  0x3fffffffffffffff,
                                                  0x7fffffffffffffff,
                                                  0x8000000000000000,
                                                  0xffffffffffffffff};

constexpr std::array<std::string_view, 20> kTexts{"-1",
                                                  "0",
                                                  "2147483648",
                                                  "4294967296",
                                                  "1048577",
                                                  "4611686018427387905",
                                                  "9223372036854775807",
                                                  "-9223372036854775808",
                                                  "18446744073709551616",
                                                  "1e999",
                                                  "-0.0",
                                                  "nan",
                                                  "inf",
                                                  "null",
                                                  "\"\"",
                                                  "{}",
                                                  "[]",
                                                  "\\u0000",
                                                  "\xff",
                                                  "a.a.a.a.a.a.a.a"};

constexpr std::string_view kPiled = "[{(.\"'#=,";

class Mutator {
 public:
  Mutator(std::span<const Bytes> seeds, RandomSequence& random) : seeds_(seeds), random_(random) {
    bytes_ = any_seed();
  }

  void change() {
    switch (below(11)) {
      case 0:
        return flip_bit();
      case 1:
        return overwrite_integer();
      case 2:
        return replace_number();
      case 3:
        return insert_text(kTexts.at(below(kTexts.size())));
      case 4:
        return erase();
      case 5:
        return truncate();
      case 6:
        return copy_piece();
      case 7:
        return splice();
      case 8:
        return pile();
      case 9:
        return overwrite_byte();
      default:
        return insert_noise();
    }
  }

  [[nodiscard]] Bytes take() {
    bytes_.resize(std::min(bytes_.size(), kMostBytes));
    return std::move(bytes_);
  }

 private:
  std::size_t below(std::size_t bound) { return random_.below(static_cast<std::uint32_t>(bound)); }
  const Bytes& any_seed() { return seeds_[below(seeds_.size())]; }
  std::size_t place() { return below(bytes_.size() + 1); }
  Bytes::iterator at(std::size_t place) { return bytes_.begin() + static_cast<std::ptrdiff_t>(place); }
  // Lengths of all magnitudes are equally likely.
  std::size_t length(std::size_t most) {
    const std::size_t limit = std::min(most, std::size_t{1} << below(13));
    return limit == 0 ? 0 : 1 + below(limit);
  }

  void flip_bit() {
    if (!bytes_.empty()) bytes_[below(bytes_.size())] ^= static_cast<std::uint8_t>(1U << below(8));
  }
  void overwrite_byte() {
    if (!bytes_.empty()) bytes_[below(bytes_.size())] = static_cast<std::uint8_t>(below(256));
  }
  void overwrite_integer() {
    const std::size_t width = std::size_t{1} << below(4);
    if (bytes_.size() < width) return;
    const std::size_t begin = below(bytes_.size() - width + 1);
    const std::uint64_t value = kIntegers.at(below(kIntegers.size()));
    const bool big_endian = below(2) == 1;
    for (std::size_t i = 0; i < width; ++i) {
      bytes_[begin + (big_endian ? width - 1 - i : i)] = static_cast<std::uint8_t>(value >> (8 * i));
    }
  }
  void insert_text(std::string_view text) {
    const std::size_t begin = place();
    bytes_.insert(at(begin), text.begin(), text.end());
  }
  // A run of digits becomes another number.
  void replace_number() {
    const auto is_digit = [](std::uint8_t byte) { return std::isdigit(byte) != 0; };
    const auto from = at(place());
    const auto begin = std::find_if(from, bytes_.end(), is_digit);
    const auto end = std::find_if_not(begin, bytes_.end(), is_digit);
    const std::size_t index = static_cast<std::size_t>(begin - bytes_.begin());
    bytes_.erase(begin, end);
    const std::string_view text = kTexts.at(below(kTexts.size()));
    bytes_.insert(at(index), text.begin(), text.end());
  }
  void erase() {
    const std::size_t begin = place();
    bytes_.erase(at(begin), at(begin + length(bytes_.size() - begin)));
  }
  void truncate() { bytes_.resize(place()); }
  void copy_piece() {
    const std::size_t begin = place();
    const std::size_t count = length(bytes_.size() - begin);
    const Bytes piece(at(begin), at(begin + count));
    const std::size_t target = place();
    for (std::size_t times = 1 + below(4); times > 0 && bytes_.size() < kMostBytes; --times) {
      bytes_.insert(at(target), piece.begin(), piece.end());
    }
  }
  void splice() {
    const Bytes& other = any_seed();
    const std::size_t cut = below(other.size() + 1);
    bytes_.resize(place());
    bytes_.insert(bytes_.end(), other.begin() + static_cast<std::ptrdiff_t>(cut), other.end());
  }
  void pile() {
    const auto letter = static_cast<std::uint8_t>(kPiled[below(kPiled.size())]);
    const std::size_t begin = place();
    bytes_.insert(at(begin), length(4096), letter);
  }
  void insert_noise() {
    Bytes noise(length(16));
    for (std::uint8_t& byte : noise) byte = static_cast<std::uint8_t>(below(256));
    const std::size_t begin = place();
    bytes_.insert(at(begin), noise.begin(), noise.end());
  }

  std::span<const Bytes> seeds_;
  RandomSequence& random_;
  Bytes bytes_;
};

}  // namespace

Bytes mutated(std::span<const Bytes> seeds, std::uint64_t seed, std::uint64_t number) {
  RandomSequence random(seed, RngPurpose::test, static_cast<std::uint32_t>(number),
                        static_cast<std::uint32_t>(number >> 32));
  Mutator mutator(seeds, random);
  for (std::uint32_t changes = 1 + random.below(8); changes > 0; --changes) mutator.change();
  return mutator.take();
}

}  // namespace secateur::fuzz
