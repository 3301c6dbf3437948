#include "mat_file.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "secateur/core/error.h"

namespace secateur::data {
namespace {

static_assert(std::endian::native == std::endian::little, "files are read as they lie");

constexpr std::size_t kHeaderBytes = 128;
constexpr std::int64_t kMostMembers = 1'000'000;
constexpr std::int64_t kMostFields = 64;
constexpr std::int32_t kLongestFieldName = 256;

// Types of elements, by the format's numbers.
enum Type : std::uint32_t {
  kInt8 = 1,
  kUint8 = 2,
  kInt16 = 3,
  kUint16 = 4,
  kInt32 = 5,
  kUint32 = 6,
  kSingle = 7,
  kDouble = 9,
  kInt64 = 12,
  kUint64 = 13,
  kMatrix = 14,
  kCompressed = 15,
  kUtf8 = 16,
  kUtf16 = 17
};
// Classes of arrays.
constexpr std::uint32_t kStruct = 2;
constexpr std::uint32_t kText = 4;
constexpr std::uint32_t kFirstNumber = 6;  // double
constexpr std::uint32_t kLastNumber = 15;  // uint64
constexpr std::uint32_t kComplexFlag = 0x0800;

template <class T>
T value_at(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// A single variable, whose inflated size no header tells: at most so many bytes.
std::vector<std::byte> inflate_variable(const MatBytes& bytes, const MatBytes::Element& element,
                                        std::size_t most) {
  const std::span<const std::byte> packed = bytes.data(element);
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) bytes.fail_at(element.offset, "zlib could not be started");
  struct End {
    z_stream& stream;
    ~End() { inflateEnd(&stream); }
  } end{stream};
  // zlib reads through this pointer and does not write. NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::vector<std::byte> inflated;
  int status = Z_OK;
  while (status == Z_OK) {
    std::array<std::byte, 65536> part;
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = static_cast<uInt>(part.size());
    status = inflate(&stream, Z_NO_FLUSH);
    const std::size_t got = part.size() - stream.avail_out;
    if (inflated.size() + got > most) {
      bytes.fail_at(element.offset,
                    fmt::format("the compressed variables have more than {} bytes", kMostInflatedBytes));
    }
    inflated.insert(inflated.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(got));
  }
  if (status != Z_STREAM_END) {
    bytes.fail_at(element.offset, fmt::format("the compressed variable is damaged or cut short ({})",
                                              stream.msg != nullptr ? stream.msg : "it ends too early"));
  }
  return inflated;
}

void append_utf8(std::string& text, std::uint32_t point) {
  const auto add = [&](std::uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (point < 0x80) {
    add(point);
  } else if (point < 0x800) {
    add(0xC0 | point >> 6);
    add(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    add(0xE0 | point >> 12);
    add(0x80 | (point >> 6 & 0x3F));
    add(0x80 | (point & 0x3F));
  } else {
    add(0xF0 | point >> 18);
    add(0x80 | (point >> 12 & 0x3F));
    add(0x80 | (point >> 6 & 0x3F));
    add(0x80 | (point & 0x3F));
  }
}

// Half of a pair that stands alone becomes the replacement character.
std::string from_utf16(std::span<const std::byte> data) {
  std::string text;
  const std::size_t units = data.size() / 2;
  for (std::size_t i = 0; i < units; ++i) {
    std::uint32_t point = value_at<std::uint16_t>(data, 2 * i);
    if (point >= 0xD800 && point < 0xE000) {
      const std::uint32_t low = i + 1 < units ? value_at<std::uint16_t>(data, 2 * i + 2) : 0;
      const bool pair = point < 0xDC00 && low >= 0xDC00 && low < 0xE000;
      point = pair ? 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00) : 0xFFFD;
      i += pair ? 1 : 0;
    }
    append_utf8(text, point);
  }
  return text;
}

}  // namespace

void MatBytes::fail_at(std::size_t offset, std::string_view what) const {
  fail("{}: at byte {}{}: {}", file_, offset, within_, what);
}

MatBytes::Element MatBytes::next(std::size_t& at, std::size_t end) const {
  Element element{.offset = at};
  if (end - at < 8) fail_at(at, fmt::format("expected a tag of 8 bytes, {} are left", end - at));
  const auto first = value_at<std::uint32_t>(bytes_, at);
  if (first >> 16 != 0) {  // the small form: type, size and up to four bytes of data in one
    element.type = first & 0xFFFF;
    element.size = first >> 16;
    element.begin = at + 4;
    if (element.size > 4)
      fail_at(at, fmt::format("a small element holds up to 4 bytes, got {}", element.size));
    at += 8;
    return element;
  }
  element.type = first;
  element.size = value_at<std::uint32_t>(bytes_, at + 4);
  element.begin = at + 8;
  const std::size_t left = end - element.begin;
  if (element.size > left) {
    fail_at(at,
            fmt::format("an element of {} bytes does not fit into the {} that are left", element.size, left));
  }
  const std::size_t padding = element.type == kCompressed ? 0 : (8 - element.size % 8) % 8;
  at = element.begin + std::min(element.size + padding, left);
  return element;
}

MatArray read_array(const MatBytes& bytes, const MatBytes::Element& element) {
  if (element.type != kMatrix) {
    bytes.fail_at(element.offset, fmt::format("expected an array (type 14), got type {}", element.type));
  }
  MatArray array;
  array.offset = element.offset;
  array.at = element.begin;
  array.end = element.begin + element.size;
  if (element.size == 0) return array;
  const MatBytes::Element flags = bytes.next(array.at, array.end);
  if (flags.type != kUint32 || flags.size != 8) {
    bytes.fail_at(flags.offset,
                  fmt::format("expected the flags of an array, 8 bytes of type 6, got {} of type {}",
                              flags.size, flags.type));
  }
  const auto word = value_at<std::uint32_t>(bytes.data(flags), 0);
  array.kind = word & 0xFF;
  if ((word & kComplexFlag) != 0) bytes.fail_at(flags.offset, "complex numbers are not expected here");

  const MatBytes::Element extents = bytes.next(array.at, array.end);
  if (extents.type != kInt32 || extents.size < 8 || extents.size % 4 != 0) {
    bytes.fail_at(extents.offset,
                  fmt::format("expected two extents or more, of type 5, got {} bytes of type {}",
                              extents.size, extents.type));
  }
  array.count = 1;
  for (std::size_t i = 0; i < extents.size; i += 4) {
    const auto extent = value_at<std::int32_t>(bytes.data(extents), i);
    if (extent < 0) bytes.fail_at(extents.offset, fmt::format("an extent of {}", extent));
    array.count *= extent;  // at most 2^20 times 2^31
    if (array.count > kMostMembers) {
      bytes.fail_at(extents.offset, fmt::format("an array of more than {} members", kMostMembers));
    }
  }
  const MatBytes::Element name = bytes.next(array.at, array.end);
  if (name.type != kInt8 && name.type != kUtf8) {
    bytes.fail_at(name.offset,
                  fmt::format("expected the name of an array, of type 1, got type {}", name.type));
  }
  const std::span<const std::byte> characters = bytes.data(name);
  array.name.assign(reinterpret_cast<const char*>(characters.data()), characters.size());
  return array;
}

double number_of(const MatBytes& bytes, const MatArray& array) {
  if (array.kind < kFirstNumber || array.kind > kLastNumber || array.count != 1) {
    bytes.fail_at(array.offset,
                  fmt::format("expected one number, got {} members of class {}", array.count, array.kind));
  }
  std::size_t at = array.at;
  const MatBytes::Element element = bytes.next(at, array.end);
  const std::span<const std::byte> data = bytes.data(element);
  const auto as = [&](auto of_this_type) -> double {
    using T = decltype(of_this_type);
    if (data.size() != sizeof(T)) {
      bytes.fail_at(element.offset,
                    fmt::format("expected a number of {} bytes, got {}", sizeof(T), data.size()));
    }
    return static_cast<double>(value_at<T>(data, 0));
  };
  switch (element.type) {
    case kInt8:
      return as(std::int8_t{});
    case kUint8:
      return as(std::uint8_t{});
    case kInt16:
      return as(std::int16_t{});
    case kUint16:
      return as(std::uint16_t{});
    case kInt32:
      return as(std::int32_t{});
    case kUint32:
      return as(std::uint32_t{});
    case kSingle:
      return as(float{});
    case kDouble:
      return as(double{});
    case kInt64:
      return as(std::int64_t{});
    case kUint64:
      return as(std::uint64_t{});
    default:
      bytes.fail_at(element.offset, fmt::format("expected a number, got type {}", element.type));
  }
}

std::string text_of(const MatBytes& bytes, const MatArray& array) {
  if (array.kind != kText) {
    bytes.fail_at(array.offset, fmt::format("expected text (class 4), got class {}", array.kind));
  }
  if (array.at == array.end) return {};
  std::size_t at = array.at;
  const MatBytes::Element element = bytes.next(at, array.end);
  const std::span<const std::byte> data = bytes.data(element);
  switch (element.type) {
    case kInt8:
    case kUint8:
    case kUtf8:
      return {reinterpret_cast<const char*>(data.data()), data.size()};
    case kUint16:
    case kUtf16:
      return from_utf16(data);
    default:
      bytes.fail_at(element.offset, fmt::format("expected characters, got type {}", element.type));
  }
}

void each_field(const MatBytes& bytes, const MatArray& array,
                const std::function<void(const std::string&, const MatArray&, std::int64_t)>& take) {
  if (array.kind != kStruct) {
    bytes.fail_at(array.offset, fmt::format("expected a struct (class 2), got class {}", array.kind));
  }
  std::size_t at = array.at;
  const MatBytes::Element length = bytes.next(at, array.end);
  if (length.type != kInt32 || length.size != 4) {
    bytes.fail_at(length.offset, "expected the length of the fields' names, 4 bytes of type 5");
  }
  const auto room = value_at<std::int32_t>(bytes.data(length), 0);
  if (room < 1 || room > kLongestFieldName) {
    bytes.fail_at(length.offset,
                  fmt::format("expected room for names of 1 to {} bytes, got {}", kLongestFieldName, room));
  }
  const MatBytes::Element names = bytes.next(at, array.end);
  const auto count = static_cast<std::int64_t>(names.size) / room;
  if (names.type != kInt8 || static_cast<std::int64_t>(names.size) % room != 0 || count > kMostFields) {
    bytes.fail_at(
        names.offset,
        fmt::format("expected the names of up to {} fields in {} bytes each, got {} bytes of type {}",
                    kMostFields, room, names.size, names.type));
  }
  std::vector<std::string> fields;
  for (std::int64_t f = 0; f < count; ++f) {
    const auto* first = reinterpret_cast<const char*>(bytes.data(names).data()) + f * room;
    fields.emplace_back(first, std::find(first, first + room, '\0'));
  }
  if (fields.empty()) return;
  for (std::int64_t member = 0; member < array.count; ++member) {
    for (const std::string& field : fields) {
      take(field, read_array(bytes, bytes.next(at, array.end)), member);
    }
  }
}

void each_variable(std::span<const std::byte> file, const std::string& name,
                   const std::function<void(const MatBytes&, const MatArray&)>& take) {
  const MatBytes bytes(file, name);
  if (file.size() > kMostMatBytes) {
    bytes.fail_at(kMostMatBytes, fmt::format("the file has {} bytes, more than are read", file.size()));
  }
  if (file.size() < kHeaderBytes) {
    bytes.fail_at(file.size(), "the file ends within its header of 128 bytes");
  }
  const auto mark = value_at<std::uint16_t>(file, 126);
  // 'MI', which reads 'IM' where bytes lie in the order of this machine.
  if (mark != 0x4D49 || value_at<std::uint16_t>(file, 124) != 0x0100) {
    bytes.fail_at(124, mark == 0x494D ? "a file with the bytes in the other order (big-endian) is not read"
                                      : "no MATLAB file of level 5");
  }
  std::size_t at = kHeaderBytes;
  std::size_t left = kMostInflatedBytes;  // of all compressed variables together
  while (at < file.size()) {
    const MatBytes::Element element = bytes.next(at, file.size());
    if (element.type != kCompressed) {
      take(bytes, read_array(bytes, element));
      continue;
    }
    const std::vector<std::byte> inflated = inflate_variable(bytes, element, left);
    left -= inflated.size();
    const MatBytes within(inflated, name,
                          fmt::format(" of the compressed variable at byte {}", element.offset));
    std::size_t place = 0;
    take(within, read_array(within, within.next(place, within.size())));
  }
}

}  // namespace secateur::data
