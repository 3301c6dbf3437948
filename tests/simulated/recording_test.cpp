// Recording of a stream of the CUDA back end: what is kept, what is refused.
#include <gtest/gtest.h>

#include <numeric>

#include "backend/cuda/cuda_device.h"
#include "secateur/backend/open_device.h"
#include "secateur/backend/primitives.h"
#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "simulated/gpu.h"

namespace secateur {
namespace {

class Recorded : public ::testing::Test {
 protected:
  Recorded() : values_(memory_.data(), DType::f32, {4}), sum_(memory_.at(256), DType::f32, {4}) {
    write_values(values_, std::vector<double>{1, 2, 3, 4}, *stream_);
    write_values(sum_, std::vector<double>(4, 0.0), *stream_);
  }
  // sum += values
  void add() { primitives_of(DeviceKind::cuda).add(*stream_, sum_, values_, sum_); }
  std::vector<double> sum() { return read_values(sum_, *stream_); }

  std::unique_ptr<Device> device_ = open_device(DeviceKind::cuda);
  std::unique_ptr<Stream> stream_ = device_->make_stream();
  Slab memory_{*device_, 512};
  Tensor values_, sum_;
};

TEST_F(Recorded, RunsOnlyWhenItIsReplayed) {
  ASSERT_TRUE(stream_->can_record());
  const auto recording = stream_->record([&] {
    add();
    add();
    stream_->copy(values_.data, sum_.data, 4);
  });
  EXPECT_EQ(sum(), (std::vector<double>{0, 0, 0, 0}));
  EXPECT_EQ(recording->kernels(), 2);
  recording->replay();
  EXPECT_EQ(sum(), (std::vector<double>{2, 4, 6, 8}));
  recording->replay();  // the first value is what the first replay left: 2
  EXPECT_EQ(sum(), (std::vector<double>{6, 8, 12, 16}));
}

TEST_F(Recorded, RefusesWhatWaitsAllocatesOrTalksToTheHost) {
  std::vector<double> host(1);
  const std::vector<std::function<void()>> forbidden{
      [&] { stream_->synchronize(); },
      [&] { stream_->copy_to_host(host.data(), memory_.data(), 8); },
      [&] { stream_->copy_to_device(memory_.data(), host.data(), 8); },
      [&] { const Slab slab(*device_, 64); },
      [&] { static_cast<void>(cuda_stream(*stream_).scratch(64)); },
      [&] { throw Error("of its own"); }};
  for (std::size_t i = 0; i < forbidden.size(); ++i) {
    EXPECT_THROW(static_cast<void>(stream_->record([&] {
                   add();
                   forbidden[i]();
                 })),
                 Error)
        << i;
    // The stream is out of capture, and nothing of it has run.
    EXPECT_EQ(sum(), (std::vector<double>{0, 0, 0, 0})) << i;
    EXPECT_NO_THROW(stream_->synchronize()) << i;
  }
  // An error that was swallowed is found at the end.
  EXPECT_THROW(static_cast<void>(stream_->record([&] {
                 try {
                   stream_->synchronize();
                 } catch (const Error&) {
                   add();
                 }
               })),
               Error);
}

TEST_F(Recorded, HostStreamsCannot) {
  const auto host = make_host_device(DeviceKind::cpu);
  const auto stream = host->make_stream();
  EXPECT_FALSE(stream->can_record());
  EXPECT_THROW(static_cast<void>(stream->record([] {})), Error);
  EXPECT_EQ(primitives_of(DeviceKind::cpu).make_device_step(*stream), nullptr);
}

}  // namespace
}  // namespace secateur
