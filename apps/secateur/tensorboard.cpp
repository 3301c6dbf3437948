#include "secateur/tensorboard.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>

#include "secateur/core/error.h"

namespace secateur::app {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table() {
  constexpr std::uint32_t kReversedPolynomial = 0x82f63b78;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? kReversedPolynomial : 0);
    table[i] = value;
  }
  return table;
}

template <class Number>
std::string little_endian(Number number) {
  std::string bytes(sizeof(Number), '\0');
  std::memcpy(bytes.data(), &number, sizeof(Number));
  return bytes;
}

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}

// Field numbers and wire types of protocol buffers: 0 varint, 1 eight bytes, 2 length and bytes, 5 four
// bytes.
std::string key(int field, int wire_type) {
  return varint(static_cast<std::uint64_t>(field << 3 | wire_type));
}
std::string bytes_field(int field, std::string_view bytes) {
  return key(field, 2) + varint(bytes.size()) + std::string(bytes);
}
std::string event_of(double wall_time, std::int64_t step, const std::string& content) {
  return key(1, 1) + little_endian(wall_time) + key(2, 0) + varint(static_cast<std::uint64_t>(step)) +
         content;
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::optional<double> number_of(const LogValue& value) {
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  return std::nullopt;
}

std::int64_t integer_field(const LogFields& fields, std::string_view name, std::int64_t fallback) {
  for (const auto& [field, value] : fields) {
    if (const auto* integer = std::get_if<std::int64_t>(&value); field == name && integer != nullptr)
      return *integer;
  }
  return fallback;
}

// Under which heading an event's numbers are shown and which of them counts its steps; nothing for the rest.
struct Heading {
  std::string_view name;
  std::string_view step;
};
std::optional<Heading> heading_of(std::string_view event) {
  if (event == "epoch" || event.ends_with("_epoch")) return Heading{"epoch", "epoch"};
  if (event == "evaluation") return Heading{"evaluation", "round"};
  if (event == "removal") return Heading{"removal", "round"};
  if (event == "controller") return Heading{"controller", "round"};
  if (event == "round_end") return Heading{"round", "round"};
  if (event == "result") return Heading{"test", ""};
  return std::nullopt;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = crc_table();
  std::uint32_t crc = 0xffffffff;
  for (const char byte : bytes) crc = kTable[(crc ^ static_cast<std::uint8_t>(byte)) & 0xff] ^ (crc >> 8);
  return crc ^ 0xffffffff;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

std::string framed_record(std::string_view message) {
  const std::string length = little_endian(static_cast<std::uint64_t>(message.size()));
  return length + little_endian(masked_crc32c(length)) + std::string(message) +
         little_endian(masked_crc32c(message));
}

std::string version_event(double wall_time) {
  return event_of(wall_time, 0, bytes_field(3, "brain.Event:2"));
}

std::string scalar_event(double wall_time, std::int64_t step, std::string_view tag, float value) {
  const std::string entry = bytes_field(1, tag) + key(2, 5) + little_endian(value);
  return event_of(wall_time, step, bytes_field(5, bytes_field(1, entry)));
}

struct TensorBoardLog::Impl {
  explicit Impl(const std::filesystem::path& folder) {
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0) std::strcpy(host.data(), "host");
    path = folder / fmt::format("events.out.tfevents.{:.6f}.{}.{}", now(), host.data(), ::getpid());
    file = std::fopen(path.c_str(), "wb");
    require(file != nullptr, "cannot write '{}': {}", path.string(), std::strerror(errno));
  }
  ~Impl() { std::fclose(file); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // Flushed record by record: TensorBoard reads along.
  void append(const std::string& message) const {
    const std::string record = framed_record(message);
    const bool written =
        std::fwrite(record.data(), 1, record.size(), file) == record.size() && std::fflush(file) == 0;
    require(written, "cannot write '{}': {}", path.string(), std::strerror(errno));
  }

  std::filesystem::path path;
  std::FILE* file = nullptr;
};

TensorBoardLog::TensorBoardLog(const std::filesystem::path& folder) : impl_(std::make_unique<Impl>(folder)) {
  impl_->append(version_event(now()));
}

TensorBoardLog::~TensorBoardLog() = default;

void TensorBoardLog::write(std::string_view event, const LogFields& fields) {
  const std::optional<Heading> heading = heading_of(event);
  if (!heading) return;
  const std::int64_t step = integer_field(fields, heading->step, 0);
  const double time = now();
  for (const auto& [name, value] : fields) {
    const std::optional<double> number = number_of(value);
    if (!number || name == "epoch" || name == "round" || name == "phase_epoch") continue;
    impl_->append(
        scalar_event(time, step, fmt::format("{}/{}", heading->name, name), static_cast<float>(*number)));
  }
}

}  // namespace secateur::app
