// Device memory of the executor: buffers with unmapped pages on both sides, so that an access out of bounds
// faults.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace secateur::simt {

// Which end of a buffer touches the unmapped page: the last byte or the first.
enum class Flush { end, begin };

class GuardedBuffer {
 public:
  // `bytes` of memory filled with 0xFF (NaN in every floating type). With Flush::end the data ends at the
  // guard page, so its alignment is that of its size; `shift` moves it that many bytes away from the guard.
  explicit GuardedBuffer(std::size_t bytes, Flush flush = Flush::end, std::size_t shift = 0);
  ~GuardedBuffer();
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  GuardedBuffer(GuardedBuffer&& other) noexcept;
  GuardedBuffer& operator=(GuardedBuffer&&) = delete;

  [[nodiscard]] unsigned char* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return bytes_; }

 private:
  unsigned char* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
  unsigned char* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// All buffers alive, in the order of their making.
const std::vector<const GuardedBuffer*>& live_buffers();
// "4 bytes past the end of a buffer of 128 bytes", or empty when the address is near no buffer.
std::string describe_address(const void* address);

}  // namespace secateur::simt
