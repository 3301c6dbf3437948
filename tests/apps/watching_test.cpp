// What a running job shows: watch, TensorBoard's files, warnings. Nothing here starts the program.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>

#include "secateur/advice.h"
#include "secateur/core/error.h"
#include "secateur/tensorboard.h"
#include "secateur/text.h"
#include "secateur/watch.h"

namespace secateur::app {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("secateur-watching" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

RunHistory history_of(const std::string& log) {
  const Folder folder;
  std::ofstream(folder.path() / "run.jsonl") << log;
  return read_run_history(folder.path() / "run.jsonl");
}

const std::string kStart =
    R"({"event":"start","command":"train","model":"resnet8","data":"synthetic","training_images":1000,"recipe":"[train]\nepochs = 10\n"})"
    "\n";
const std::string kEpoch =
    R"({"event":"epoch","epoch":3,"phase":"training","loss":1.25,"top1":0.5,"learning_rate":0.05,"images_per_second":100,"validation_top1":0.25})"
    "\n";

// Four epochs of ten are done; six of 1000 images at 100 a second are a minute.
TEST(Watch, ShowsProgressSpeedAndTimeLeft) {
  const std::string text = watch_text("runs/x", history_of(kStart + kEpoch), 1);
  for (const char* part :
       {"runs/x: train resnet8 on synthetic, 4 of 10 epochs", "loss 1.2500", "train 50.00 %",
        "validation 25.00 %", "lr 0.05", "100 images/s", "left", "running"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " not in:\n" << text;
  }
}

// What was measured since the removal, and the time of both processes of a run that was resumed.
TEST(RunHistory, KeepsTheAccuraciesOfARoundAndTheTime) {
  const auto evaluation = [](const char* occasion, double accuracy) {
    return fmt::format(R"({{"event":"evaluation","occasion":"{}","accuracy":{}}})", occasion, accuracy) +
           "\n";
  };
  const std::string finetuned = R"({"event":"finetune_epoch","epoch":4,"elapsed":10.0})"
                                "\n";
  const std::string removal = R"({"event":"removal","round":1,"elapsed":1.5})"
                              "\n";
  const std::string end = R"({"event":"round_end","round":1,"accuracy":0.75,"elapsed":12.0})"
                          "\n";
  const std::string resumed = R"({"event":"resume","elapsed":0.5})"
                              "\n"
                              R"({"event":"result","elapsed":2.0})"
                              "\n";
  const RunHistory history =
      history_of(kStart + kEpoch + evaluation("round", 0.9) + removal + evaluation("removal", 0.125) +
                 finetuned + evaluation("epoch", 0.8125) + evaluation("round", 0.75) + end + resumed);
  EXPECT_DOUBLE_EQ(history.rounds.at(1).removed, 0.125);
  EXPECT_DOUBLE_EQ(history.rounds.at(1).best, 0.8125);
  EXPECT_DOUBLE_EQ(history.epochs.at(3).validation_top1, 0.9) << "not what was left after the removal";
  EXPECT_DOUBLE_EQ(history.epochs.at(4).validation_top1, 0.75);
  EXPECT_DOUBLE_EQ(history.seconds, 14);
  const RunHistory plain = history_of(kStart + removal + end);
  EXPECT_TRUE(std::isnan(plain.rounds.at(1).removed));
}

TEST(Watch, SaysWhenNothingCameForLong) {
  EXPECT_NE(watch_text("x", history_of(kStart + kEpoch), 3600).find("nothing new"), std::string::npos);
  const std::string done = kStart + kEpoch + R"({"event":"result","top1":0.75})" + "\n";
  const std::string text = watch_text("x", history_of(done), 3600);
  EXPECT_NE(text.find("finished"), std::string::npos) << text;
  EXPECT_NE(text.find("top-1 75.00 %"), std::string::npos) << text;
}

TEST(Watch, ListsTheRoundsOfAPruningRun) {
  std::string log =
      kStart + kEpoch +
      R"({"event":"round_end","round":1,"outcome":"pruned","accuracy_before":0.5,"accuracy":0.4375,)" +
      R"("parameters":12345,"macs":20})" + "\n";
  log.replace(log.find("\"train\""), 7, "\"prune\"");
  log.replace(log.find("[train]\\nepochs = 10"), 20, "[prune]\\nrounds = 3");
  const std::string text = watch_text("x", history_of(log), 1);
  for (const char* part : {"1 of 3 rounds done", "pruned", "43.75 %", "12,345"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " not in:\n" << text;
  }
}

TEST(Watch, AFolderWithoutALogIsNamed) {
  const Folder folder;
  try {
    run_watch(folder.path(), true);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(folder.path().string()), std::string::npos);
  }
}

// RFC 3720, appendix B.4; the mask is (crc rotated right by 15) + 0xa282ead8.
TEST(TensorBoard, ChecksumsAreThoseOfTheRfc) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  const std::uint32_t crc = 0xe3069283U;
  EXPECT_EQ(masked_crc32c("123456789"), (crc >> 15 | crc << 17) + 0xa282ead8U);
}

// A reader of its own: fields of protocol buffers by number.
class Message {
 public:
  explicit Message(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::uint64_t key = varint(bytes);
      const auto field = static_cast<int>(key >> 3);
      switch (key & 7) {
        case 0:
          fields_[field] = std::to_string(varint(bytes));
          break;
        case 1:
          fields_[field] = take(bytes, 8);
          break;
        case 2: {
          const std::uint64_t length = varint(bytes);
          fields_[field] = take(bytes, length);
          break;
        }
        case 5:
          fields_[field] = take(bytes, 4);
          break;
        default:
          ADD_FAILURE() << "wire type " << (key & 7);
          return;
      }
    }
  }
  [[nodiscard]] std::string field(int number) const {
    const auto found = fields_.find(number);
    return found == fields_.end() ? "" : found->second;
  }

 private:
  static std::uint64_t varint(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (int shift = 0; !bytes.empty(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(bytes.front());
      bytes.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
  static std::string take(std::string_view& bytes, std::uint64_t length) {
    std::string piece(bytes.substr(0, length));
    EXPECT_EQ(piece.size(), length);
    bytes.remove_prefix(piece.size());
    return piece;
  }

  std::map<int, std::string> fields_;
};

struct Scalar {
  std::string step;
  float value = 0;
};

// Every scalar of a file by its tag, each record's two checksums looked at.
std::map<std::string, Scalar> scalars_of(const fs::path& folder) {
  std::map<std::string, Scalar> scalars;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with("events.out.tfevents.")) continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string file(std::istreambuf_iterator<char>(stream), {});
    std::size_t at = 0;
    for (int record = 0; at < file.size(); ++record) {
      std::uint64_t length = 0;
      std::uint32_t crc = 0;
      std::memcpy(&length, file.data() + at, 8);
      std::memcpy(&crc, file.data() + at + 8, 4);
      EXPECT_EQ(crc, masked_crc32c(file.substr(at, 8)));
      const std::string message = file.substr(at + 12, length);
      std::memcpy(&crc, file.data() + at + 12 + length, 4);
      EXPECT_EQ(crc, masked_crc32c(message));
      at += length + 16;
      const Message event(message);
      if (record == 0) {
        EXPECT_EQ(event.field(3), "brain.Event:2");
        continue;
      }
      const Message value(Message(event.field(5)).field(1));
      Scalar& scalar = scalars[value.field(1)];
      scalar.step = event.field(2);
      std::memcpy(&scalar.value, value.field(2).data(), 4);
    }
    EXPECT_EQ(at, file.size());
  }
  return scalars;
}

TEST(TensorBoard, WritesScalarsThatReadBack) {
  const Folder folder;
  {
    TensorBoardLog log(folder.path());
    log.write("start", {{"parameters", std::int64_t{5}}});
    log.write("epoch", {{"epoch", std::int64_t{300}}, {"phase", std::string("training")}, {"loss", 1.5}});
    log.write("round_end", {{"round", std::int64_t{2}}, {"macs", std::int64_t{1000}}, {"accuracy", 0.25}});
  }
  const auto scalars = scalars_of(folder.path());
  ASSERT_EQ(scalars.size(), 3U);
  EXPECT_EQ(scalars.at("epoch/loss").step, "300");
  EXPECT_EQ(scalars.at("epoch/loss").value, 1.5F);
  EXPECT_EQ(scalars.at("round/macs").step, "2");
  EXPECT_EQ(scalars.at("round/macs").value, 1000.0F);
  EXPECT_EQ(scalars.at("round/accuracy").value, 0.25F);
}

// sqrt(0.8 * 0.2 / 100) = 0.04; half of tau is 0.01, which takes 1600 images.
TEST(Advice, AValidationPartThatIsTooSmallIsNamedWithItsError) {
  EXPECT_DOUBLE_EQ(standard_error(0.8, 100), 0.04);
  const std::string text = advice_on_validation(0.8, 100, 0.02);
  for (const char* part : {"100 validation images", "4.0 %", "2.0 %", "1,600"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " not in: " << text;
  }
  EXPECT_EQ(advice_on_validation(0.8, 1601, 0.02), "");
  for (const double tau : {0.0, 1e-12}) {
    EXPECT_NE(advice_on_validation(0.8, 100, tau).find("no validation part is large enough"),
              std::string::npos);
  }
}

TEST(Text, DigitsAreGroupedUpToTheEnds) {
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(grouped(-999), "-999");
  EXPECT_EQ(grouped(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
  EXPECT_EQ(grouped(std::numeric_limits<std::int64_t>::max()), "9,223,372,036,854,775,807");
}

// 0.1 of the cost in one removal is a step of 90 %; in steps of a fifth it takes ln 0.1 / ln 0.8 = 10.3.
TEST(Advice, ABudgetThatNeedsMoreRoundsIsNamedWithTheirNumber) {
  const std::string text = advice_on_budget(1000, 100, 1);
  EXPECT_NE(text.find("90 %"), std::string::npos) << text;
  EXPECT_NE(text.find("with 11 of them"), std::string::npos) << text;
  EXPECT_EQ(advice_on_budget(1000, 100, 11), "");
  EXPECT_EQ(advice_on_budget(100, 100, 1), "");
}

}  // namespace
}  // namespace secateur::app
