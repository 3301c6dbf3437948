// A run's events as TensorBoard event files (--tensorboard): scalars by epoch, and by round where it prunes.
//
// A file is a sequence of records: length (u64), masked CRC-32C of the length, an Event message of protocol
// buffers, masked CRC-32C of the message; all little-endian. The formats:
// https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/io/record_writer.h,
// .../core/util/event.proto and .../core/framework/summary.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "secateur/io/run_log.h"

namespace secateur::app {

// CRC-32C (Castagnoli), and TensorFlow's rotation of it, which keeps a CRC of data that holds CRCs well.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes);
[[nodiscard]] std::uint32_t masked_crc32c(std::string_view bytes);

// The record that holds `message`.
[[nodiscard]] std::string framed_record(std::string_view message);
// Event{wall_time, file_version}: the first record of a file.
[[nodiscard]] std::string version_event(double wall_time);
// Event{wall_time, step, summary{value{tag, simple_value}}}.
[[nodiscard]] std::string scalar_event(double wall_time, std::int64_t step, std::string_view tag,
                                       float value);

// Writes events.out.tfevents.<time>.<host>.<process> into a folder; a resumed run adds a file of its own. An
// event's numbers become scalars "<phase>/<field>". Throws Error when the file cannot be written.
class TensorBoardLog final : public EventSink {
 public:
  explicit TensorBoardLog(const std::filesystem::path& folder);
  ~TensorBoardLog() override;
  void write(std::string_view event, const LogFields& fields) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace secateur::app
