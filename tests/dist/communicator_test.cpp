// What every communicator must do, whatever it talks by.
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <vector>

#include "job.h"

namespace secateur {
namespace {

using test::can_run_job;
using test::run_job;

class Ranks : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!can_run_job(GetParam())) GTEST_SKIP() << "this job has another number of processes";
  }
};
INSTANTIATE_TEST_SUITE_P(Communicator, Ranks, testing::Values(2, 3));

std::vector<std::byte> text(std::string_view words) {
  const auto bytes = std::as_bytes(std::span(words));
  return {bytes.begin(), bytes.end()};
}

TEST_P(Ranks, SumEveryElementInBothTypes) {
  run_job(GetParam(), [](Communicator& communicator) {
    const auto device = make_host_device(DeviceKind::cpu);
    const auto stream = device->make_stream();
    const double ranks = communicator.size() * (communicator.size() + 1) / 2.0;  // 1 + 2 + ...
    const auto check = [&]<typename T>(DType type) {
      std::vector<T> values(100'003);  // several messages of different lengths
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<T>(communicator.rank() + 1) * static_cast<T>(i % 1000);
      }
      communicator.sum(*stream, type, values.data(), static_cast<std::int64_t>(values.size()));
      for (std::size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(values[i], static_cast<T>(ranks * static_cast<double>(i % 1000)));
      }
    };
    check.operator()<float>(DType::f32);
    check.operator()<double>(DType::f64);
    std::array<double, 2> facts{0.5, static_cast<double>(communicator.rank())};
    communicator.sum(facts);
    EXPECT_EQ(facts[0], 0.5 * communicator.size());
    EXPECT_EQ(facts[1], ranks - communicator.size());
  });
}

// Where additions round, an order of their own for each rank would show.
TEST_P(Ranks, GetTheSameBits) {
  run_job(GetParam(), [](Communicator& communicator) {
    std::vector<double> values(1000);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = 1.0 / static_cast<double>(1 + i * 7 + static_cast<std::size_t>(communicator.rank()) * 13);
    }
    communicator.sum(values);
    Fingerprint fingerprint;
    fingerprint.add(std::as_bytes(std::span(values)));
    EXPECT_NO_THROW(communicator.require_equal(fingerprint.value(), "a sum"));
  });
}

TEST_P(Ranks, TakeWhatRankZeroHas) {
  run_job(GetParam(), [](Communicator& communicator) {
    const auto device = make_host_device(DeviceKind::reference);
    const auto stream = device->make_stream();
    std::vector<std::int32_t> values(1000, communicator.rank());
    if (communicator.rank() == 0) std::iota(values.begin(), values.end(), 5);
    communicator.broadcast(*stream, values.data(), 4000);
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], 5 + static_cast<std::int32_t>(i));
  });
}

TEST_P(Ranks, GatherPartsOfAnyLength) {
  run_job(GetParam(), [](Communicator& communicator) {
    const std::vector<std::string_view> words{"", "second", "of the third"};
    const auto all = communicator.all_gather(text(words[static_cast<std::size_t>(communicator.rank())]));
    ASSERT_EQ(all.size(), static_cast<std::size_t>(communicator.size()));
    for (std::size_t rank = 0; rank < all.size(); ++rank) EXPECT_EQ(all[rank], text(words[rank]));
  });
}

TEST_P(Ranks, AgreeOnAFlag) {
  run_job(GetParam(), [](Communicator& communicator) {
    EXPECT_FALSE(communicator.any(false));
    EXPECT_TRUE(communicator.any(communicator.rank() == communicator.size() - 1));
    communicator.barrier();
  });
}

TEST_P(Ranks, AreToldWhichOfThemDiffers) {
  run_job(GetParam(), [](Communicator& communicator) {
    EXPECT_NO_THROW(communicator.require_equal(7, "the plan"));
    const bool last = communicator.rank() == communicator.size() - 1;
    try {
      communicator.require_equal(last ? 8 : 7, "the pruning plan");
      ADD_FAILURE() << "the difference was not seen by rank " << communicator.rank();
    } catch (const Error& error) {
      const std::string words = error.what();
      EXPECT_NE(words.find("the pruning plan of rank " + std::to_string(communicator.size() - 1)),
                std::string::npos)
          << words;
    }
  });
}

TEST(Share, CoversEveryItemOnce) {
  for (const int size : {2, 3}) {
    if (!can_run_job(size)) continue;
    run_job(size, [](Communicator& communicator) {
      for (const std::int64_t items : {0, 1, 2, 7, 64}) {
        const Share share = share_of(items, &communicator);
        std::array<double, 2> sums{static_cast<double>(share.count),
                                   static_cast<double>(share.first * share.count)};
        communicator.sum(sums);
        EXPECT_EQ(sums[0], static_cast<double>(items));
        EXPECT_LE(share.count, items / communicator.size() + 1);
        EXPECT_GE(share.count, items / communicator.size());
      }
    });
  }
  EXPECT_EQ(share_of(5, nullptr).count, 5);
}

}  // namespace
}  // namespace secateur
