#include "simt/shared.h"

#include <string>
#include <vector>

namespace secateur::simt {
namespace {

bool ordered(const Interval& a, const Interval& b) {
  if (a.thread == b.thread || a.block != b.block) return true;
  return a.thread / 32 == b.thread / 32 && a.warp != b.warp;
}

std::string pair(const Interval& a, const Interval& b) {
  return "threads " + std::to_string(a.thread) + " and " + std::to_string(b.thread);
}

void check_read(Shadow& shadow, const Interval& now, std::int64_t index, std::source_location where) {
  if (!shadow.written) {
    fail("shared element " + std::to_string(index) + " is read by thread " + std::to_string(now.thread) +
             " before anything wrote it",
         where);
  }
  if (!ordered(shadow.writer, now)) {
    fail("race: shared element " + std::to_string(index) + " is written and read by " +
             pair(shadow.writer, now) + " with no barrier between",
         where);
  }
  const bool same_interval = shadow.was_read && shadow.reader.block == now.block;
  if (!same_interval) {
    shadow.many_warps = shadow.many_lanes = false;
  } else if (shadow.reader.thread / 32 != now.thread / 32) {
    shadow.many_warps = true;
  } else if (shadow.reader.warp != now.warp) {
    shadow.many_lanes = false;
  } else if (shadow.reader.thread != now.thread) {
    shadow.many_lanes = true;
  }
  shadow.was_read = true;
  shadow.reader = now;
}

void check_write(Shadow& shadow, const Interval& now, bool atomic, std::int64_t index,
                 std::source_location where) {
  if (atomic && !shadow.written) {
    fail("shared element " + std::to_string(index) + " is updated before anything wrote it", where);
  }
  if (shadow.written && !(atomic && shadow.atomic) && !ordered(shadow.writer, now)) {
    fail("race: shared element " + std::to_string(index) + " is written by " + pair(shadow.writer, now) +
             " with no barrier between",
         where);
  }
  if (shadow.was_read && shadow.reader.block == now.block) {
    const bool one_warp = shadow.reader.thread / 32 == now.thread / 32;
    const bool conflict = shadow.many_warps || !ordered(shadow.reader, now) ||
                          (one_warp && shadow.reader.warp == now.warp && shadow.many_lanes);
    if (conflict) {
      fail("race: shared element " + std::to_string(index) + " is written by thread " +
               std::to_string(now.thread) + " and read by another with no barrier between",
           where);
    }
  }
  shadow.written = true;
  shadow.atomic = atomic;
  shadow.writer = now;
}

}  // namespace

void check_access(Shadow& shadow, Access access, std::int64_t index, std::source_location where) {
  if (shadow.block != current_block_serial()) {
    shadow = Shadow{};
    shadow.block = current_block_serial();
  }
  const Interval now = current_interval();
  if (access == Access::read) {
    check_read(shadow, now, index, where);
  } else {
    check_write(shadow, now, access == Access::atomic, index, where);
  }
}

void fail_bounds(std::int64_t index, std::int64_t count, std::source_location where) {
  fail("index " + std::to_string(index) + " is out of bounds of a shared array of " + std::to_string(count),
       where);
}

Shadow* dynamic_shared_shadow() {
  // As large as a block's dynamic shared memory can be; stale entries carry another block's serial.
  static std::vector<Shadow> shadow;
  const auto granules = static_cast<std::size_t>(dynamic_shared_bytes() / kDynamicGranule + 1);
  if (shadow.size() < granules) shadow.resize(granules);
  return shadow.data();
}

}  // namespace secateur::simt
