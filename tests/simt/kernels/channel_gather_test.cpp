#include "secateur/kernels/channel_gather.h"

#include "kernel_test.h"

namespace secateur::kernels::test {
namespace {

struct Tensor {
  std::int64_t in_rows, middle, in_columns;
  std::int64_t out_rows, out_columns, extra_stride;
  std::int64_t groups;  // 0: no table of columns
  bool row_table;
};

// Filters, a first layer of 3 channels, a vector, a grouped convolution, a wide and a narrow one, and
// nothing.
const std::vector<Tensor> kTensors = {{16, 9, 8, 11, 5, 3, 1, true},      {64, 9, 3, 40, 3, 0, 0, true},
                                      {1, 1, 64, 1, 17, 0, 1, false},     {12, 9, 6, 6, 4, 0, 3, true},
                                      {3, 1, 5000, 2, 4100, 12, 1, true}, {50, 1, 1, 1, 1, 0, 0, true},
                                      {4, 4, 4, 0, 2, 0, 1, true},        {5, 2, 7, 5, 7, 0, 0, false}};

template <typename Element>
void check() {
  Random random;
  std::vector<Array<Element>> in;
  std::vector<Array<Element>> out;
  std::vector<Array<std::int32_t>> tables;
  std::vector<GatherSegment> segments;
  std::vector<std::vector<Element>> expected;
  tables.reserve(3 * kTensors.size());
  for (const Tensor& t : kTensors) {
    std::vector<Element> values(static_cast<std::size_t>(t.in_rows * t.middle * t.in_columns));
    for (Element& value : values) value = static_cast<Element>(random.next());
    in.emplace_back(values);
    const std::int64_t stride = t.out_columns + t.extra_stride;
    out.emplace_back(t.out_rows * t.middle * stride);
    std::vector<std::int32_t> rows;
    std::vector<std::int32_t> group;
    std::vector<std::int32_t> columns;
    for (std::int64_t r = 0; r < t.out_rows; ++r) {
      rows.push_back(static_cast<std::int32_t>(t.row_table ? random.below(t.in_rows) : r));
      group.push_back(static_cast<std::int32_t>(t.groups > 0 ? random.below(t.groups) : 0));
    }
    for (std::int64_t j = 0; j < t.groups * t.out_columns; ++j) {
      columns.push_back(static_cast<std::int32_t>(random.below(t.in_columns)));
    }
    GatherSegment segment;
    segment.in = in.back().data();
    segment.out = out.back().bytes() > 0 ? out.back().data() : nullptr;
    if (t.row_table) segment.rows = tables.emplace_back(rows).data();
    if (t.groups > 1) segment.row_group = tables.emplace_back(group).data();
    if (t.groups > 0) segment.columns = tables.emplace_back(columns).data();
    segment.out_rows = t.out_rows;
    segment.middle = t.middle;
    segment.in_columns = t.in_columns;
    segment.out_columns = t.out_columns;
    segment.out_stride = stride;
    segments.push_back(segment);
    std::vector<Element> result;
    for (std::int64_t r = 0; r < t.out_rows; ++r) {
      for (std::int64_t m = 0; m < t.middle; ++m) {
        for (std::int64_t j = 0; j < stride; ++j) {
          const auto row = static_cast<std::size_t>(r);
          if (j >= t.out_columns) {
            result.push_back(0);
            continue;
          }
          const std::int64_t column =
              t.groups == 0
                  ? j
                  : columns[static_cast<std::size_t>((t.groups > 1 ? group[row] : 0) * t.out_columns + j)];
          result.push_back(
              values[static_cast<std::size_t>((rows[row] * t.middle + m) * t.in_columns + column)]);
        }
      }
    }
    expected.push_back(result);
  }
  ASSERT_TRUE(succeeded(
      channel_gather(segments.data(), static_cast<std::int64_t>(segments.size()), sizeof(Element), nullptr)));
  for (std::size_t i = 0; i < kTensors.size(); ++i) EXPECT_EQ(out[i].values(), expected[i]) << "tensor " << i;
}

TEST(ChannelGather, MovesEveryElementOfEveryTensor) {
  check<std::uint16_t>();
  check<std::uint32_t>();
  check<std::uint64_t>();
}

TEST(ChannelGather, MoreSegmentsThanOneLaunchTakes) {
  constexpr std::int64_t kCount = 500;
  std::vector<std::uint32_t> values(2 * kCount);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint32_t>(i);
  const Array<std::uint32_t> in(values);
  const Array<std::uint32_t> out(kCount);
  const Array<std::int32_t> second(std::vector<std::int32_t>{1});
  std::vector<GatherSegment> segments;
  for (std::int64_t i = 0; i < kCount; ++i) {
    segments.push_back({out.data() + i, in.data() + 2 * i, nullptr, nullptr, second.data(), 1, 1, 2, 1, 1});
  }
  ASSERT_TRUE(succeeded(channel_gather(segments.data(), kCount, 4, nullptr)));
  for (std::size_t i = 0; i < kCount; ++i) EXPECT_EQ(out.values()[i], 2 * i + 1);
}

TEST(ChannelGather, RefusesWhatBreaksTheContract) {
  const Array<std::uint32_t> data(16);
  GatherSegment segment{data.data(), data.data() + 8, nullptr, nullptr, nullptr, 2, 1, 2, 2, 2};
  EXPECT_TRUE(refused(channel_gather(&segment, 1, 3, nullptr), "element_bytes is 3"));
  segment.out_columns = segment.out_stride = 3;
  EXPECT_TRUE(refused(channel_gather(&segment, 1, 4, nullptr), "more than in_columns"));
  segment.out_columns = 2;
  segment.out_stride = 1;
  EXPECT_TRUE(refused(channel_gather(&segment, 1, 4, nullptr), "leading dimension 1"));
  segment.out_stride = 2;
  segment.in = nullptr;
  EXPECT_TRUE(refused(channel_gather(&segment, 1, 4, nullptr), "in is null"));
  segment.out_rows = -1;
  EXPECT_TRUE(refused(channel_gather(&segment, 1, 4, nullptr), "out_rows must not be negative"));
  EXPECT_TRUE(refused(channel_gather(nullptr, 2, 4, nullptr), "segments is null"));
  EXPECT_TRUE(succeeded(channel_gather(nullptr, 0, 4, nullptr)));
}

}  // namespace
}  // namespace secateur::kernels::test
