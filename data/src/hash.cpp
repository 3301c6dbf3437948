#include "hash.h"

#include <xxhash.h>

#include <new>

namespace secateur::data {

Hasher::Hasher() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(state_);
}

Hasher::~Hasher() { XXH3_freeState(state_); }

void Hasher::add_bytes(const void* bytes, std::size_t count) { XXH3_64bits_update(state_, bytes, count); }

std::uint64_t Hasher::digest() const { return XXH3_64bits_digest(state_); }

}  // namespace secateur::data
