#include "secateur/core/device.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "secateur/core/error.h"

namespace secateur {
namespace {

TEST(DeviceKind, NamesBothWays) {
  for (const auto& [kind, name] : {std::pair{DeviceKind::cpu, "cpu"}, std::pair{DeviceKind::cuda, "cuda"},
                                   std::pair{DeviceKind::reference, "reference"}}) {
    EXPECT_EQ(name_of(kind), name);
    EXPECT_EQ(device_kind_from_name(name), kind);
  }
  try {
    static_cast<void>(device_kind_from_name("gpu"));
    FAIL() << "'gpu' was taken";
  } catch (const Error& error) {
    for (const char* part : {"gpu", "cpu", "cuda", "reference"}) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
}

class HostDevice : public testing::TestWithParam<DeviceKind> {};

TEST_P(HostDevice, AccountsForItsMemory) {
  const auto device = make_host_device(GetParam());
  EXPECT_EQ(device->kind(), GetParam());
  EXPECT_FALSE(device->description().empty());
  void* first = device->allocate(100);
  void* second = device->allocate(300);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % Device::kAlignment, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(second) % Device::kAlignment, 0U);
  EXPECT_EQ(device->allocated_bytes(), 400);
  device->release(first, 100);
  EXPECT_EQ(device->allocated_bytes(), 300);
  void* third = device->allocate(50);
  EXPECT_EQ(device->peak_bytes(), 400);
  EXPECT_EQ(device->allocations(), 3);
  device->release(second, 300);
  device->release(third, 50);
  EXPECT_EQ(device->allocated_bytes(), 0);
}

TEST_P(HostDevice, StreamCopiesAndZeroes) {
  const auto device = make_host_device(GetParam());
  const auto stream = device->make_stream();
  EXPECT_EQ(&stream->device(), device.get());
  const std::array<std::int32_t, 4> source{1, 2, 3, 4};
  std::array<std::int32_t, 4> there{};
  std::array<std::int32_t, 4> copied{};
  std::array<std::int32_t, 4> back{};
  stream->copy_to_device(there.data(), source.data(), 16);
  stream->copy(copied.data(), there.data(), 12);
  stream->copy_to_host(back.data(), copied.data(), 16);
  stream->synchronize();
  EXPECT_EQ(back, (std::array<std::int32_t, 4>{1, 2, 3, 0}));
  stream->zero(there.data(), 8);
  EXPECT_EQ(there, (std::array<std::int32_t, 4>{0, 0, 3, 4}));
  stream->copy(nullptr, nullptr, 0);  // empty tensors have no memory
  stream->zero(nullptr, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, HostDevice, testing::Values(DeviceKind::cpu, DeviceKind::reference),
                         [](const auto& test) { return std::string(name_of(test.param)); });

// Gives out a fixed budget.
class BudgetAllocator final : public Allocator {
 public:
  explicit BudgetAllocator(std::int64_t budget) : left_(budget) {}
  void* allocate(std::int64_t bytes) override {
    require(bytes <= left_, "budget exceeded");
    left_ -= bytes;
    return std::malloc(static_cast<std::size_t>(bytes));
  }
  void release(void* memory, std::int64_t bytes) noexcept override {
    left_ += bytes;
    std::free(memory);
  }
  [[nodiscard]] std::int64_t left() const { return left_; }

 private:
  std::int64_t left_;
};

TEST(Device, UsesTheAllocatorItWasGiven) {
  const auto allocator = std::make_shared<BudgetAllocator>(1000);
  const auto device = make_host_device(DeviceKind::cpu, allocator);
  void* memory = device->allocate(600);
  EXPECT_EQ(allocator->left(), 400);
  EXPECT_THROW(static_cast<void>(device->allocate(500)), Error);
  EXPECT_EQ(device->allocated_bytes(), 600);
  EXPECT_EQ(device->allocations(), 1);
  device->release(memory, 600);
  EXPECT_EQ(allocator->left(), 1000);
}

TEST(Device, CudaIsNoHostDevice) {
  EXPECT_THROW(static_cast<void>(make_host_device(DeviceKind::cuda)), Error);
}

}  // namespace
}  // namespace secateur
