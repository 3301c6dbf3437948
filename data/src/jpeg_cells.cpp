#include "jpeg_cells.h"

#include <algorithm>
#include <cstring>

namespace secateur::data {
namespace {

// Markers, after their byte 0xFF.
constexpr int kStartOfImage = 0xD8;
constexpr int kEndOfImage = 0xD9;
constexpr int kBaseline = 0xC0;
constexpr int kExtendedSequential = 0xC1;
constexpr int kHuffmanTables = 0xC4;
constexpr int kRestartInterval = 0xDD;
constexpr int kStartOfScan = 0xDA;
constexpr int kFirstRestart = 0xD0;
constexpr std::size_t kRestartNumbers = 8;  // D0 .. D7, again and again

constexpr std::int64_t kBlock = 8;  // pixels

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// What the header says, as far as cutting needs it; offsets into the file.
struct Header {
  std::size_t frame = 0;  // of the frame header's height, two bytes, before the width's
  std::size_t codes = 0;  // of the scan's first entropy-coded byte
  std::int64_t height = 0;
  std::int64_t width = 0;
  int components = 0;
  std::int64_t mcu_height = 0;
  std::int64_t mcu_width = 0;
  std::int64_t interval = 0;  // MCU between restart markers
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] int byte(std::size_t at) const { return std::to_integer<int>(bytes_[at]); }
  [[nodiscard]] int word(std::size_t at) const { return byte(at) * 256 + byte(at + 1); }

 private:
  std::span<const std::byte> bytes_;
};

// Height, width and sampling from a frame header of `length` bytes at `at`; false if it is too short.
bool read_frame(const Reader& in, std::size_t at, std::size_t length, Header& header) {
  constexpr std::size_t kFixed = 8;
  constexpr std::size_t kPerComponent = 3;
  if (length < kFixed) return false;
  header.frame = at + 3;
  header.height = in.word(at + 3);
  header.width = in.word(at + 5);
  header.components = in.byte(at + 7);
  const auto count = static_cast<std::size_t>(header.components);
  if (in.byte(at + 2) != 8 || length < kFixed + kPerComponent * count) return false;
  std::int64_t down = 0;
  std::int64_t across = 0;
  for (std::size_t c = 0; c < count; ++c) {
    const int sampling = in.byte(at + kFixed + kPerComponent * c + 1);
    across = std::max<std::int64_t>(across, sampling / 16);
    down = std::max<std::int64_t>(down, sampling % 16);
  }
  // The blocks of a lone component follow one by one, whatever its sampling.
  header.mcu_height = kBlock * (count == 1 ? 1 : down);
  header.mcu_width = kBlock * (count == 1 ? 1 : across);
  return header.mcu_height > 0 && header.mcu_width > 0 && header.height > 0 && header.width > 0;
}

std::optional<Header> read_header(const Reader& in) {
  Header header;
  std::size_t at = 2;
  if (in.size() < 2 || in.word(0) != 0xFF00 + kStartOfImage) return std::nullopt;
  while (at + 4 <= in.size() && in.byte(at) == 0xFF) {
    const int marker = in.byte(at + 1);
    if (marker == 0xFF) {  // fill
      ++at;
      continue;
    }
    at += 2;
    const auto length = static_cast<std::size_t>(in.word(at));
    if (length < 2 || length > in.size() - at) return std::nullopt;
    const bool other_mode =
        marker > kExtendedSequential && marker < kFirstRestart && marker != kHuffmanTables;
    const bool misplaced = marker >= kFirstRestart && marker <= kEndOfImage;
    if (other_mode || misplaced)
      return std::nullopt;  // progressive, lossless, arithmetic; codes without a scan
    if (marker == kBaseline || marker == kExtendedSequential) {
      if (header.components != 0 || !read_frame(in, at, length, header)) return std::nullopt;
    } else if (marker == kRestartInterval) {
      if (length != 4) return std::nullopt;
      header.interval = in.word(at + 2);
    } else if (marker == kStartOfScan) {
      const bool all_in_one = length > 2 && in.byte(at + 2) == header.components;
      if (header.components == 0 || !all_in_one || header.interval == 0) return std::nullopt;
      header.codes = at + length;
      return header;
    }
    at += length;
  }
  return std::nullopt;
}

// The grid of cells, each of `down` x `across` MCU.
struct Grid {
  std::int64_t down = 1;
  std::int64_t across = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

std::optional<Grid> grid_of(const Header& header) {
  const std::int64_t mcus_down = divide_up(header.height, header.mcu_height);
  const std::int64_t mcus_across = divide_up(header.width, header.mcu_width);
  Grid grid;
  if (mcus_across % header.interval == 0) {
    grid.across = header.interval;
  } else if (header.interval % mcus_across == 0) {
    grid.across = mcus_across;
    grid.down = header.interval / mcus_across;
  } else {
    return std::nullopt;
  }
  grid.rows = divide_up(mcus_down, grid.down);
  grid.columns = mcus_across / grid.across;
  return grid;
}

// Begin and end of the codes of the first `count` cells of the `total` there are; fewer where the markers are
// not what they should be.
std::vector<std::pair<std::size_t, std::size_t>> find_cells(std::span<const std::byte> jpeg, std::size_t at,
                                                            std::size_t count, std::size_t total) {
  std::vector<std::pair<std::size_t, std::size_t>> cells;
  cells.reserve(count);
  std::size_t begin = at;
  while (cells.size() < count && at < jpeg.size()) {
    const void* found = std::memchr(jpeg.data() + at, 0xFF, jpeg.size() - at);
    if (found == nullptr) break;
    at = static_cast<std::size_t>(static_cast<const std::byte*>(found) - jpeg.data()) + 1;
    if (at == jpeg.size()) break;
    const int next = std::to_integer<int>(jpeg[at]);
    if (next == 0xFF) continue;  // fill: the marker follows
    ++at;
    if (next == 0) continue;  // a byte 0xFF of the codes
    const bool last = cells.size() + 1 == total;
    const int expected =
        last ? kEndOfImage : kFirstRestart + static_cast<int>(cells.size() % kRestartNumbers);
    if (next != expected) break;
    cells.emplace_back(begin, at - 2);
    begin = at;
  }
  return cells;
}

void put_marker(std::vector<std::byte>& bytes, int marker) {
  bytes.push_back(std::byte{0xFF});
  bytes.push_back(static_cast<std::byte>(marker));
}

void put_word(std::vector<std::byte>& bytes, std::size_t at, std::int64_t value) {
  bytes[at] = static_cast<std::byte>(value / 256);
  bytes[at + 1] = static_cast<std::byte>(value % 256);
}

}  // namespace

std::optional<JpegCut> cut_jpeg(std::span<const std::byte> jpeg, const Window& wanted) {
  const std::optional<Header> header = read_header(Reader(jpeg));
  if (!header) return std::nullopt;
  const std::optional<Grid> grid = grid_of(*header);
  if (!grid) return std::nullopt;
  const std::int64_t cell_height = grid->down * header->mcu_height;
  const std::int64_t cell_width = grid->across * header->mcu_width;
  const std::int64_t top = std::clamp<std::int64_t>(wanted.y / cell_height, 0, grid->rows - 1);
  const std::int64_t left = std::clamp<std::int64_t>(wanted.x / cell_width, 0, grid->columns - 1);
  const std::int64_t bottom =
      std::clamp(divide_up(wanted.y + wanted.height, cell_height), top + 1, grid->rows);
  const std::int64_t right =
      std::clamp(divide_up(wanted.x + wanted.width, cell_width), left + 1, grid->columns);
  if (bottom - top == grid->rows && right - left == grid->columns) return std::nullopt;

  const auto needed = static_cast<std::size_t>((bottom - 1) * grid->columns + right);
  if (needed > jpeg.size() / 3) return std::nullopt;  // each has a byte of codes and a marker, or is none
  const auto cells =
      find_cells(jpeg, header->codes, needed, static_cast<std::size_t>(grid->rows * grid->columns));
  if (cells.size() < needed) return std::nullopt;

  JpegCut cut;
  cut.window.y = top * cell_height;
  cut.window.x = left * cell_width;
  cut.window.height = std::min(bottom * cell_height, header->height) - cut.window.y;
  cut.window.width = std::min(right * cell_width, header->width) - cut.window.x;
  const std::size_t first = static_cast<std::size_t>(top * grid->columns + left);
  cut.bytes.reserve(header->codes + cells.back().second - cells[first].first + 2);
  cut.bytes.assign(jpeg.begin(), jpeg.begin() + static_cast<std::ptrdiff_t>(header->codes));
  put_word(cut.bytes, header->frame, cut.window.height);
  put_word(cut.bytes, header->frame + 2, cut.window.width);
  std::size_t number = 0;
  for (std::int64_t row = top; row < bottom; ++row) {
    for (std::int64_t column = left; column < right; ++column) {
      if (number > 0) put_marker(cut.bytes, kFirstRestart + static_cast<int>((number - 1) % kRestartNumbers));
      const auto [begin, end] = cells[static_cast<std::size_t>(row * grid->columns + column)];
      cut.bytes.insert(cut.bytes.end(), jpeg.begin() + static_cast<std::ptrdiff_t>(begin),
                       jpeg.begin() + static_cast<std::ptrdiff_t>(end));
      ++number;
    }
  }
  put_marker(cut.bytes, kEndOfImage);
  return cut;
}

std::int64_t restart_interval_for(std::int64_t mcus, std::int64_t mcu_width) {
  constexpr std::int64_t kLeastWidth = 32;  // a marker and what is lost by it take some four bytes
  for (std::int64_t interval = 1; interval < mcus; ++interval) {
    if (mcus % interval == 0 && interval * mcu_width >= kLeastWidth) return interval;
  }
  return mcus;
}

}  // namespace secateur::data
