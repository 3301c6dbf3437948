// Offsets past 2^31 elements, with leading dimensions in place of memory: rows lie so far apart that 32-bit
// arithmetic would wrap, in address space of which only the touched pages exist.
#include <sys/mman.h>

#include "kernel_test.h"
#include "paper_formula.h"
#include "secateur/kernels/batch_norm_act.h"
#include "secateur/kernels/channel_moments.h"
#include "secateur/kernels/elementwise.h"
#include "secateur/kernels/map_channels.h"
#include "secateur/kernels/pairwise_correlation.h"
#include "secateur/kernels/pooling.h"
#include "secateur/kernels/redundancy.h"
#include "secateur/kernels/softmax_cross_entropy.h"
#include "simt/executor.h"

namespace secateur::kernels::test {
namespace {

constexpr std::int64_t kRows = 4;
constexpr std::int64_t kChannels = 6;
constexpr std::int64_t kLd = (std::int64_t{1} << 31) / 3 + 8;  // the last row starts past 2^31 elements

// fp32 rows far apart. Not a GuardedBuffer: the executor saves those byte by byte.
class SparseMap {
 public:
  SparseMap() {
    memory_ =
        mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  ~SparseMap() {
    if (available()) munmap(memory_, kBytes);
  }
  SparseMap(const SparseMap&) = delete;
  SparseMap& operator=(const SparseMap&) = delete;

  [[nodiscard]] bool available() const { return memory_ != MAP_FAILED; }
  [[nodiscard]] float* data() const { return static_cast<float*>(memory_); }
  std::vector<double> fill(Random& random) {
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t c = 0; c < kChannels; ++c) data()[r * kLd + c] = static_cast<float>(random.normal());
    }
    return values();
  }
  [[nodiscard]] std::vector<double> values() const {
    std::vector<double> values;
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t c = 0; c < kChannels; ++c) values.push_back(static_cast<double>(data()[r * kLd + c]));
    }
    return values;
  }

 private:
  static constexpr std::size_t kBytes = static_cast<std::size_t>(kRows * kLd) * sizeof(float);
  void* memory_;
};

class LargeIndex : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!x_.available() || !out_.available())
      GTEST_SKIP() << "no address space for 23 GB of untouched memory";
    values_ = x_.fill(random_);
    out_.fill(random_);
  }
  void TearDown() override { simt::options() = {}; }

  Random random_;
  SparseMap x_;
  SparseMap out_;
  std::vector<double> values_;
};

TEST_F(LargeIndex, ElementwiseAndChannels) {
  ASSERT_TRUE(succeeded(scale(out_.data(), x_.data(), 2.0F, {DType::f32, kRows, kChannels, kLd}, nullptr)));
  std::vector<double> doubled;
  for (const double value : values_) doubled.push_back(2 * value);
  EXPECT_EQ(out_.values(), doubled);
  ASSERT_TRUE(succeeded(
      cast(out_.data(), x_.data(), {DType::f32, DType::f32, kRows, kChannels, kLd, kLd, 0}, nullptr)));
  EXPECT_EQ(out_.values(), values_);
  const Array<std::int32_t> table(std::vector<std::int32_t>{0, 1, 2, 3, 4, 5});
  ASSERT_TRUE(succeeded(fill(out_.data(), 0.0F, {DType::f32, kRows, kChannels, kLd}, nullptr)));
  ASSERT_TRUE(succeeded(gather_channels(out_.data(), x_.data(), table.data(),
                                        {DType::f32, kRows, kChannels, kLd, kLd}, nullptr)));
  EXPECT_EQ(out_.values(), values_);
}

TEST_F(LargeIndex, Scores) {
  const MapShape shape{DType::f32, 2, 2, kChannels, kLd};
  const PaperFormula paper(values_, 2, 2, kChannels);
  const std::vector<double> zeros(kChannels, 0.0);
  for (const std::int64_t shared_bytes : {64 * 1024, 1024}) {
    simt::options().shared_bytes = shared_bytes;
    const Array<double> sums(zeros);
    const Array<double> constant(zeros);
    const Array<char> workspace(redundancy_workspace(shape));
    ASSERT_TRUE(succeeded(redundancy(sums.data(), constant.data(), x_.data(), shape, workspace.data(),
                                     workspace.bytes(), nullptr)));
    for (std::size_t c = 0; c < zeros.size(); ++c) EXPECT_NEAR(sums.values()[c], paper.sums()[c], 1e-5);
  }
  const Array<float> matrix(std::vector<float>(kChannels * kChannels, 0.0F));
  const Array<char> workspace((pairwise_correlation_workspace(shape) + 31) / 32 * 32);
  ASSERT_TRUE(succeeded(pairwise_correlation(matrix.data(), nullptr, x_.data(), shape,
                                             CorrelationKind::signed_value, CorrelationArithmetic::fp32,
                                             workspace.data(), workspace.bytes(), nullptr)));
  EXPECT_LE(relative_error(matrix.doubles(), paper.matrix()), 1e-5);
}

TEST_F(LargeIndex, BatchNormAndPooling) {
  const Array<float> mean(std::vector<float>(kChannels, 0.5F));
  const Array<float> variance(std::vector<float>(kChannels, 3.0F));
  ASSERT_TRUE(succeeded(batch_norm_act_inference(out_.data(), x_.data(), nullptr, {nullptr, nullptr, 1.0F},
                                                 mean.data(), variance.data(), false,
                                                 {DType::f32, kRows, kChannels, kLd, 0}, nullptr)));
  std::vector<double> expected;
  for (const double value : values_) expected.push_back((value - 0.5) / 2);
  EXPECT_LE(relative_error(out_.values(), expected), 1e-6);
  PoolShape shape{DType::f32, 1, 2, 2, kChannels, kLd, kLd, 1, 1, 1, 1, 0, 0};
  ASSERT_TRUE(succeeded(max_pool(out_.data(), nullptr, x_.data(), shape, nullptr)));
  EXPECT_EQ(out_.values(), values_);
}

TEST_F(LargeIndex, Loss) {
  const Array<std::int32_t> labels(std::vector<std::int32_t>{0, 1, 2, 3});
  const Array<float> losses(kRows);
  ASSERT_TRUE(succeeded(softmax_cross_entropy(losses.data(), nullptr, nullptr, x_.data(), labels.data(),
                                              nullptr, {}, {DType::f32, kRows, kChannels, kLd}, nullptr)));
  for (std::size_t n = 0; n < kRows; ++n) {
    double total = 0;
    for (std::size_t k = 0; k < kChannels; ++k) total += std::exp(values_[n * kChannels + k]);
    EXPECT_NEAR(losses.values()[n], std::log(total) - values_[n * kChannels + n], 1e-5);
  }
}

}  // namespace
}  // namespace secateur::kernels::test
