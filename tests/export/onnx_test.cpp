// ONNX files taken apart by a reader of protobuf's wire format written for this test; what they compute is
// checked in ONNX Runtime (tests/interop).
#include "secateur/export/onnx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "io/temporary_folder.h"
#include "secateur/graph/op.h"
#include "selftest/small_networks.h"
#include "selftest/whole_model.h"

namespace secateur {
namespace {

struct Field {
  int number = 0;
  std::uint64_t value = 0;
  std::string_view bytes;
};

std::vector<Field> fields_of(std::string_view text) {
  std::vector<Field> fields;
  const auto varint = [&text] {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(text.at(0));
      text.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
  };
  while (!text.empty()) {
    const std::uint64_t key = varint();
    Field field{static_cast<int>(key >> 3), 0, {}};
    if ((key & 7) == 0) {
      field.value = varint();
    } else {
      const std::uint64_t length = (key & 7) == 2 ? varint() : 4;
      EXPECT_TRUE((key & 7) == 2 || (key & 7) == 5);
      EXPECT_LE(length, text.size());
      field.bytes = text.substr(0, length);
      text.remove_prefix(length);
    }
    fields.push_back(field);
  }
  return fields;
}

std::vector<Field> all(std::string_view text, int number) {
  std::vector<Field> found = fields_of(text);
  std::erase_if(found, [number](const Field& f) { return f.number != number; });
  return found;
}

Field one(std::string_view text, int number) {
  const std::vector<Field> found = all(text, number);
  EXPECT_EQ(found.size(), 1U) << "field " << number;
  return found.empty() ? Field{} : found[0];
}

std::vector<std::string> op_types(std::string_view model) {
  std::vector<std::string> types;
  for (const Field& node : all(one(model, 7).bytes, 1)) types.emplace_back(one(node.bytes, 4).bytes);
  return types;
}

class OnnxExport : public ::testing::Test {
 protected:
  static std::string encoded(selftest::WholeModel& whole, const OnnxOptions& options,
                             const Metadata& metadata = {}) {
    return encode_onnx(
        whole.model.graph(),
        [&](const std::string& name) {
          return whole.model.read(whole.model.find_parameter(name), *whole.stream);
        },
        options, metadata);
  }
  std::string encoded(const OnnxOptions& options, const Metadata& metadata = {}) {
    return encoded(whole_, options, metadata);
  }
  selftest::WholeModel whole_{selftest::small_vgg(6, 0.5), DeviceKind::cpu};
};

TEST_F(OnnxExport, SaysWhatItIs) {
  const std::string model = encoded({.opset = 17}, {{"key", "text"}});
  EXPECT_EQ(one(model, 1).value, 8U);
  EXPECT_EQ(one(model, 2).bytes, "secateur");
  EXPECT_EQ(one(one(model, 8).bytes, 2).value, 17U);
  EXPECT_EQ(one(one(model, 14).bytes, 2).bytes, "text");
  EXPECT_EQ(one(encoded({.opset = 13}), 1).value, 7U);
  EXPECT_ERROR((void)encoded({.opset = 12}), "13 to 21", "12");
  EXPECT_ERROR((void)encoded({.batch = 0}), "at least one image");
}

TEST_F(OnnxExport, HoldsTheNetworkAndNothingThatIsForTraining) {
  const std::vector<std::string> plain = op_types(encoded({}));
  EXPECT_EQ(plain, (std::vector<std::string>{"Conv", "BatchNormalization", "Relu", "MaxPool", "Conv",
                                             "BatchNormalization", "Relu", "MaxPool", "Flatten", "Gemm"}));
  const std::vector<std::string> folded = op_types(encoded({.fold_bn = true}));
  EXPECT_EQ(folded, (std::vector<std::string>{"Conv", "Relu", "MaxPool", "Conv", "Relu", "MaxPool", "Flatten",
                                              "Gemm"}));
}

// Channel tables: each time that a channel of the trunk is named takes an addition of its own, of the
// branch's channels beside one of zeros.
TEST_F(OnnxExport, TablesOfChannelsBecomeGathers) {
  using List = std::vector<std::int64_t>;
  const auto one = [](std::int64_t value) { return value; };
  Graph graph;
  NodeId x = graph.add("image", "input", {}, {{"height", one(4)}, {"width", one(4)}, {"channels", one(2)}});
  x = graph.add("conv", "conv2d", {x}, {{"out_channels", one(4)}, {"kernel", one(1)}});
  const NodeId trunk = graph.add("pool", "avg_pool", {x}, {{"kernel", one(2)}});
  const NodeId branch = graph.add("half", "gather_channels", {trunk}, {{"table", List{3, 1}}});
  x = graph.add("sum", "scatter_add", {trunk, branch}, {{"table", List{0, 0}}});
  x = graph.add("both", "concat", {x, branch});
  graph.set_output(graph.add("mean", "global_avg_pool", {x}));
  selftest::WholeModel whole(std::move(graph), DeviceKind::cpu);
  EXPECT_EQ(op_types(encoded(whole, {})),
            (std::vector<std::string>{"Conv", "AveragePool", "Gather", "Pad", "Gather", "Add", "Pad",
                                      "Gather", "Add", "Concat", "GlobalAveragePool", "Flatten"}));
}

TEST_F(OnnxExport, BatchIsANumberOrAName) {
  const auto first_dimension = [](const std::string& model, int field) {
    const Field value = one(one(model, 7).bytes, field);
    const Field tensor = one(one(value.bytes, 2).bytes, 1);
    return std::string(all(one(tensor.bytes, 2).bytes, 1).at(0).bytes);
  };
  for (const int field : {11, 12}) {
    EXPECT_EQ(one(first_dimension(encoded({.batch = 300}), field), 1).value, 300U);
    EXPECT_EQ(one(first_dimension(encoded({.dynamic_batch = true}), field), 2).bytes, "batch");
  }
}

TEST_F(OnnxExport, EveryOpOfAStoredNetworkHasACounterpart) {
  // Ops that belong to Programs and never stand in a stored graph.
  const std::vector<std::string> programs{"batch_norm_act", "folded_conv2d", "norm_act_conv2d",
                                          "softmax_cross_entropy"};
  const std::vector<std::string_view> known = onnx_ops();
  for (const std::string& op : registered_ops()) {
    if (std::ranges::count(programs, op) > 0) continue;
    EXPECT_EQ(std::ranges::count(known, op), 1) << op;
  }
}

TEST_F(OnnxExport, IsWrittenWhole) {
  const test::TemporaryFolder folder;
  write_onnx(folder / "a.onnx", whole_.model.graph(),
             [this](const std::string& name) {
               return whole_.model.read(whole_.model.find_parameter(name), *whole_.stream);
             },
             {});
  EXPECT_EQ(test::read_text(folder / "a.onnx"), encoded({}));
  EXPECT_EQ(folder.num_files(), 1);
}

}  // namespace
}  // namespace secateur
