#include "simt/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

namespace secateur::simt {
namespace {

std::vector<const GuardedBuffer*>& buffers() {
  static std::vector<const GuardedBuffer*> all;
  return all;
}

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

GuardedBuffer::GuardedBuffer(std::size_t bytes, Flush flush, std::size_t shift) : bytes_(bytes) {
  const std::size_t page = page_bytes();
  const std::size_t body = std::max<std::size_t>(1, (bytes + shift + page - 1) / page) * page;
  mapping_bytes_ = body + 2 * page;
  void* memory = mmap(nullptr, mapping_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<unsigned char*>(memory);
  if (mprotect(mapping_ + page, body, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  data_ = flush == Flush::end ? mapping_ + page + body - bytes - shift : mapping_ + page + shift;
  std::memset(mapping_ + page, 0xFF, body);
  buffers().push_back(this);
}

GuardedBuffer::GuardedBuffer(GuardedBuffer&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapping_bytes_(other.mapping_bytes_),
      data_(other.data_),
      bytes_(other.bytes_) {
  std::replace(buffers().begin(), buffers().end(), static_cast<const GuardedBuffer*>(&other),
               static_cast<const GuardedBuffer*>(this));
}

GuardedBuffer::~GuardedBuffer() {
  if (mapping_ == nullptr) return;
  std::erase(buffers(), this);
  munmap(mapping_, mapping_bytes_);
}

const std::vector<const GuardedBuffer*>& live_buffers() { return buffers(); }

std::string describe_address(const void* address) {
  const auto* byte = static_cast<const unsigned char*>(address);
  for (const GuardedBuffer* buffer : buffers()) {
    const std::string size = " a buffer of " + std::to_string(buffer->size()) + " bytes";
    const auto past = byte - (buffer->data() + buffer->size());
    const auto before = buffer->data() - byte;
    const auto reach = static_cast<std::ptrdiff_t>(2 * page_bytes());
    if (past >= 0 && past < reach) return std::to_string(past) + " bytes past the end of" + size;
    if (before > 0 && before < reach) return std::to_string(before) + " bytes before the start of" + size;
  }
  return {};
}

}  // namespace secateur::simt
