// Safetensors: files written down by hand, what this writer makes, and what a stranger might send.
#include "secateur/io/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "io/temporary_folder.h"
#include "secateur/core/rng.h"

namespace secateur {
namespace {

using test::TemporaryFolder;

// The format spelled out a second time: length, header, data.
std::vector<std::byte> file_of(const std::string& header, const std::string& data) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(header.size() >> (8 * i) & 0xff);
  text += header + data;
  const auto bytes = test::bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

Safetensors parsed(const std::string& header, const std::string& data) {
  return Safetensors::parse(file_of(header, data), "w.safetensors");
}

TEST(Safetensors, ReadsEveryFloatingType) {
  // 1.5 in each: f32 3fc00000, f16 3e00, bf16 3fc0, f64 3ff8...; then -2 in f16.
  const std::string data("\x00\x00\xc0\x3f\x00\x3e\x00\xc0\xc0\x3f\x00\x00\x00\x00\x00\x00\xf8\x3f", 18);
  const Safetensors file = parsed(
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[2,1],"data_offsets":[4,8]},)"
      R"("c":{"dtype":"BF16","shape":[],"data_offsets":[8,10]},"d":{"dtype":"F64","shape":[1],"data_offsets":[10,18]},)"
      R"("__metadata__":{"format":"pt"}})",
      data);
  EXPECT_EQ(file.values("a"), std::vector{1.5});
  EXPECT_EQ(file.values("b"), (std::vector{1.5, -2.0}));
  EXPECT_EQ(file.values("c"), std::vector{1.5});
  EXPECT_EQ(file.values("d"), std::vector{1.5});
  EXPECT_EQ(file.at("b").shape, (Shape{2, 1}));
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_ERROR((void)file.at("aa"), "w.safetensors", "no tensor 'aa'", "did you mean 'a'");
}

TEST(Safetensors, IntegersAreReadAsBytesOnly) {
  const Safetensors file =
      parsed(R"({"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})", std::string(8, '\0'));
  EXPECT_EQ(file.at("n").dtype, DType::i64);
  EXPECT_ERROR((void)file.values("n"), "tensor 'n' is i64", "expected f64, f32, f16 or bf16");
}

TEST(Safetensors, WritesWhatTheFormatSays) {
  const std::vector<NamedTensor> tensors{{"w", {1, 2}, {1.5F, -2.0F}}};
  std::string header = R"({"__metadata__":{"k":"v"},"w":{"data_offsets":[0,8],"dtype":"F32","shape":[1,2]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  EXPECT_EQ(encode_safetensors(tensors, {{"k", "v"}}),
            file_of(header, std::string("\x00\x00\xc0\x3f\x00\x00\x00\xc0", 8)));
}

TEST(Safetensors, ComesBackFromTheDisk) {
  const TemporaryFolder folder;
  const std::vector<NamedTensor> tensors{
      {"z", {3}, {1, 2, 3}}, {"a", {2, 1, 1, 2}, {4, 5, 6, 7}}, {"none", {0}, {}}};
  write_safetensors(folder / "w.safetensors", tensors, {{"graph", "{\"a\": \"\\u00e9\"}"}});
  EXPECT_EQ(folder.num_files(), 1);
  const Safetensors file = Safetensors::read(folder / "w.safetensors");
  EXPECT_EQ(file.values("z"), (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(file.values("a"), (std::vector<double>{4, 5, 6, 7}));
  EXPECT_TRUE(file.values("none").empty());
  EXPECT_EQ(file.metadata().at("graph"), "{\"a\": \"\\u00e9\"}");
}

TEST(Safetensors, WriterRefusesWhatCannotBeRead) {
  EXPECT_ERROR((void)encode_safetensors(std::vector<NamedTensor>{{"a", {2}, {1}}}, {}), "'a' has 1 values",
               "needs 2");
  EXPECT_ERROR((void)encode_safetensors(std::vector<NamedTensor>{{"a", {0}, {}}, {"a", {0}, {}}}, {}),
               "two tensors");
  EXPECT_ERROR((void)encode_safetensors(std::vector<NamedTensor>{{"__metadata__", {0}, {}}}, {}),
               "__metadata__");
  EXPECT_ERROR((void)encode_safetensors(std::vector<NamedTensor>{{"\xff", {0}, {}}}, {}),
               "cannot be written");
}

struct Hostile {
  const char* header;
  std::size_t data;
  std::vector<std::string> message;
};

TEST(Safetensors, RefusesHostileHeadersWithTheReason) {
  const std::vector<Hostile> cases{
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})",
       8,
       {"'a' has 8 bytes", "needs 1 elements of 4"}},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, {"bytes 0 to 8", "there are 4"}},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}})", 8, {"bytes 8 to 4"}},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, {"begin of tensor 'a'", "-4"}},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}})",
       4,
       {"end of tensor 'a'"}},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1e400]}})", 4, {"JSON"}},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0.0,4]}})", 4, {"whole number"}},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, {"[begin, end]"}},
      {R"({"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,8]}})", 8, {"tensor 'a'"}},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}})", 4, {"tensor 'a'"}},
      {R"({"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}})", 4, {"extent of tensor 'a'", "-1"}},
      {R"({"a":{"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[0,4]}})", 4, {"at most 4 extents"}},
      {R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1, {"dtype F8_E4M3", "BF16"}},
      {R"({"a":{"dtype":7,"shape":[1],"data_offsets":[0,1]}})", 1, {"dtype"}},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, {"no 'shape'"}},
      {R"({"a":7})", 0, {"'a' should be an object"}},
      {R"({"__metadata__":{"k":7}})", 0, {"'k' of __metadata__", "number"}},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8,
       {"'a' twice"}},
      {R"({"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}})", 4, {"'dtype' twice"}},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8,
       {"'b' begins at byte 4", "overlaps"}},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, {"'a' begins at byte 4"}},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8, {"end at byte 4 of 8"}},
      {R"({"a":{"dtype":"F32","shape":[[[[]]]],"data_offsets":[0,4]}})", 4, {"nested deeper"}},
      {R"({"a":)", 0, {"not valid JSON"}},
      {R"([])", 0, {"begin with '{'"}},
      {R"({} {})", 0, {"not valid JSON"}},
  };
  for (const Hostile& c : cases) {
    const std::string message = test::error_of([&] { (void)parsed(c.header, std::string(c.data, '\0')); });
    EXPECT_NE(message.find("'w.safetensors': "), std::string::npos) << c.header << "\n" << message;
    for (const std::string& part : c.message) {
      EXPECT_NE(message.find(part), std::string::npos) << "'" << part << "' not in: " << message << "\n"
                                                       << c.header;
    }
  }
}

TEST(Safetensors, RefusesLengthsThatAreNot) {
  EXPECT_ERROR((void)Safetensors::parse({}, "w"), "'w'", "too few");
  std::vector<std::byte> file = file_of("{}", "");
  EXPECT_TRUE(Safetensors::parse(file, "w").entries().empty());
  file[0] = std::byte{3};
  EXPECT_ERROR((void)Safetensors::parse(file, "w"), "should have 3 bytes", "has 2");
  file[7] = std::byte{0xff};
  EXPECT_ERROR((void)Safetensors::parse(file, "w"), "announces a header of 18374686479671623683 bytes");
  EXPECT_ERROR((void)Safetensors::parse(file_of(std::string(1 << 20, '['), ""), "w"), "begin with");
  EXPECT_ERROR((void)Safetensors::parse(file_of("{\"a\":" + std::string(1 << 20, '['), ""), "w"),
               "nested deeper");
}

TEST(Safetensors, SurvivesEveryFlippedByte) {
  const std::vector<NamedTensor> tensors{{"conv.weight", {2, 1, 1, 2}, {4, 5, 6, 7}}, {"b", {2}, {1, 2}}};
  const std::vector<std::byte> good = encode_safetensors(tensors, {{"k", "v"}});
  std::int64_t refused = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<std::byte> bad = good;
      bad[i] ^= std::byte{1} << bit;
      try {
        const Safetensors file = Safetensors::parse(bad, "w");
        for (const auto& [name, entry] : file.entries()) {
          ASSERT_EQ(static_cast<std::int64_t>(entry.bytes.size()),
                    entry.shape.count() * size_of(entry.dtype));
        }
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, static_cast<std::int64_t>(good.size()));
  for (std::size_t size = 0; size < good.size(); ++size) {
    const std::vector<std::byte> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW((void)Safetensors::parse(cut, "w"), Error) << size;
  }
}

}  // namespace
}  // namespace secateur
