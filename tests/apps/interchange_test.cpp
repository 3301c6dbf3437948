// import, export and infer as their users run them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/temporary_folder.h"
#include "secateur/core/host_values.h"
#include "secateur/core/rng.h"
#include "secateur/image_contract.h"
#include "secateur/infer/decode.h"
#include "secateur/io/checkpoint.h"
#include "secateur/io/safetensors.h"
#include "secateur/models/models.h"
#include "secateur/runtime/program.h"
#include "test_paths.h"

namespace secateur::app {
namespace {

using test::read_text;
using test::write_text;

std::string ppm(std::int64_t height, std::int64_t width, std::uint32_t seed) {
  std::string text = fmt::format("P6\n# made up\n{} {}\n255\n", width, height);
  RandomSequence random(3, RngPurpose::test, seed);
  for (std::int64_t i = 0; i < height * width * 3; ++i) text += static_cast<char>(random.below(256));
  return text;
}

class Interchange : public ::testing::Test {
 protected:
  // A network with random weights and class names, as `train` or `import` stores it.
  void SetUp() override {
    const auto device = make_host_device(DeviceKind::cpu);
    const auto stream = device->make_stream();
    Model model(models::build("resnet8"), *device);
    model.initialize(5, *stream);
    StateTree tree;
    StateWriter writer(tree);
    model.save(writer.scope("model"), *stream);
    writer.set("model_name", std::string("resnet8"));
    ImageContract contract{{{0.5, 0.4, 0.3}, {0.2, 0.25, 0.5}}, {}};
    for (int k = 0; k < 10; ++k) contract.class_names.push_back(fmt::format("kind-{}", k));
    contract.save(writer.scope("images"));
    write_checkpoint(folder_ / "model.h5", tree);
    for (const char* name : {"a", "b", "c"}) {
      const std::string text = ppm(32, 32, static_cast<std::uint32_t>(name[0]));
      write_text(folder_ / (std::string(name) + ".ppm"), text);
      images_.push_back(text.substr(text.size() - 32 * 32 * 3));
    }
    // What the network says to them, by way of the library.
    Arena arena(*device);
    Program program(model, arena, *stream, {.batch = 3});
    std::vector<double> values;
    for (const std::string& pixels : images_) {
      for (std::size_t i = 0; i < pixels.size(); ++i) {
        const double pixel = static_cast<unsigned char>(pixels[i]) / 255.0;
        values.push_back((pixel - contract.statistics.mean[i % 3]) / contract.statistics.deviation[i % 3]);
      }
    }
    write_values(program.images(), values, *stream);
    program.forward({});
    logits_ = read_values(program.logits(), *stream);
  }

  [[nodiscard]] int run(const std::string& arguments) {
    const std::string command =
        fmt::format("cd {} && {} {} > out 2> err", folder_.path().string(), test::kProgram, arguments);
    const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): arguments are ours
    out_ = read_text(folder_ / "out");
    err_ = read_text(folder_ / "err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::vector<nlohmann::json> lines() const {
    std::vector<nlohmann::json> objects;
    std::istringstream text(out_);
    for (std::string line; std::getline(text, line);) objects.push_back(nlohmann::json::parse(line));
    return objects;
  }

  // The lines say what the library says, image by image.
  void expect_probabilities() const {
    const auto objects = lines();
    ASSERT_EQ(objects.size(), 3U);
    for (std::size_t n = 0; n < 3; ++n) {
      double sum = 0;
      for (std::size_t k = 0; k < 10; ++k) sum += std::exp(logits_[n * 10 + k]);
      ASSERT_EQ(objects[n]["classes"].size(), 10U);
      double before = 2;
      for (const auto& entry : objects[n]["classes"]) {
        const std::size_t k = entry["index"];
        EXPECT_EQ(entry["class"], fmt::format("kind-{}", k));
        EXPECT_NEAR(entry["probability"], std::exp(logits_[n * 10 + k]) / sum, 1e-5);
        EXPECT_LE(entry["probability"], before);
        before = entry["probability"];
      }
    }
  }

  test::TemporaryFolder folder_;
  std::vector<std::string> images_;
  std::vector<double> logits_;
  std::string out_;
  std::string err_;
};

TEST_F(Interchange, InferSaysWhatTheLibrarySays) {
  ASSERT_EQ(run("infer model.h5 a.ppm b.ppm c.ppm --topk 10 --batch 2 --json"), 0) << err_;
  expect_probabilities();
  EXPECT_EQ(lines()[1]["image"], "b.ppm");
  // From a list on standard input, and as a table.
  write_text(folder_ / "list", "a.ppm\n\nb.ppm\nc.ppm\n");
  ASSERT_EQ(run("infer model.h5 --list - --topk 10 --json < list"), 0) << err_;
  expect_probabilities();
  ASSERT_EQ(run("infer model.h5 --list list --topk 2"), 0) << err_;
  EXPECT_EQ(std::ranges::count(out_, '\n'), 3);
  EXPECT_EQ(std::ranges::count(out_, '\t'), 6);
  EXPECT_TRUE(out_.starts_with("a.ppm\tkind-")) << out_;
}

TEST_F(Interchange, InferReadsFoldersAndGoesOnPastBrokenFiles) {
  std::filesystem::create_directories(folder_ / "images/below");
  for (const char* name : {"a.ppm", "c.ppm"}) std::filesystem::copy(folder_ / name, folder_ / "images");
  write_text(folder_ / "images/below/broken.jpg", "no image");
  write_text(folder_ / "images/below/empty.ppm", "");
  write_text(folder_ / "images/below/short.ppm", "P6 32 32 255\n123");
  EXPECT_EQ(run("infer model.h5 images missing.ppm --json"), 1);
  EXPECT_EQ(lines().size(), 2U);
  for (const char* part : {"broken.jpg' is no JPEG", "empty.ppm' is empty", "short.ppm", "missing.ppm",
                           "4 of 6 files could not be read"}) {
    EXPECT_NE(err_.find(part), std::string::npos) << part << "\n" << err_;
  }
}

TEST_F(Interchange, InferReadsCifarRecords) {
  // The same images, as planes behind a label.
  std::string records;
  for (const std::string& pixels : images_) {
    records += '\7';
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t p = 0; p < 1024; ++p) records += pixels[p * 3 + c];
    }
  }
  write_text(folder_ / "batch.bin", records);
  ASSERT_EQ(run("infer model.h5 batch.bin --topk 10 --json"), 0) << err_;
  expect_probabilities();
  EXPECT_EQ(lines()[2]["image"], "batch.bin#2");
}

TEST_F(Interchange, SafetensorsThereAndBackKeepsEveryBit) {
  for (const char* names : {"own", "torchvision", "timm"}) {
    ASSERT_EQ(
        run(fmt::format("export model.h5 --format safetensors --names {} --out net.safetensors", names)), 0)
        << err_;
    ASSERT_EQ(run("import net.safetensors --out back.h5"), 0) << err_;
    const StateTree before = read_checkpoint(folder_ / "model.h5");
    const StateTree after = read_checkpoint(folder_ / "back.h5");
    for (const auto& [path, value] : before.entries()) {
      if (path.starts_with("model/momentum")) continue;
      EXPECT_TRUE(after.contains(path) && after.at(path) == value) << path << " with names " << names;
    }
    // With the network given by name, nothing of the file's own is needed.
    ASSERT_EQ(run(fmt::format("import net.safetensors --from {} --model resnet8 --out back.h5", names)), 0)
        << err_;
    EXPECT_EQ(read_checkpoint(folder_ / "back.h5").entries().size(), after.entries().size());
  }
  const Safetensors file = Safetensors::read(folder_ / "net.safetensors");
  EXPECT_TRUE(file.contains("layer2.0.downsample.1.running_var"));
  EXPECT_EQ(file.at("conv1.weight").shape, (Shape{16, 3, 3, 3}));
}

TEST_F(Interchange, ErrorsNameFileAndTensor) {
  EXPECT_EQ(run("export model.h5 --format pickle --out x"), 1);
  EXPECT_NE(err_.find("safetensors or onnx, not 'pickle'"), std::string::npos) << err_;
  ASSERT_EQ(run("export model.h5 --format safetensors --out net.safetensors"), 0) << err_;
  EXPECT_EQ(run("import net.safetensors --from torchvision --model resnet20 --out x.h5"), 1);
  EXPECT_NE(err_.find("'net.safetensors'"), std::string::npos) << err_;
  EXPECT_EQ(run("import a.ppm --out x.h5"), 1);
  EXPECT_NE(err_.find("'a.ppm': not a safetensors file"), std::string::npos) << err_;
  EXPECT_EQ(run("import net.safetensors --from keras --model resnet8 --out x.h5"), 1);
  EXPECT_NE(err_.find("not 'keras'"), std::string::npos) << err_;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "x.h5"));
  ASSERT_EQ(run("export model.h5 --format onnx --dynamic-batch --fold-bn --out net.onnx"), 0) << err_;
  EXPECT_GT(std::filesystem::file_size(folder_ / "net.onnx"), 4U * 75000);
}

// An image of greys, and the greys of pixels [H, W, 3].
data::RgbxImage grey_image(std::int64_t height, std::int64_t width, const std::vector<std::uint8_t>& greys) {
  data::RgbxImage image{height, width, {}};
  for (const std::uint8_t grey : greys) image.pixels.insert(image.pixels.end(), 4, grey);
  return image;
}
std::vector<std::uint8_t> greys_of(const std::vector<std::uint8_t>& rgb) {
  std::vector<std::uint8_t> greys;
  for (std::size_t i = 0; i < rgb.size(); i += 3) greys.push_back(rgb[i]);
  return greys;
}

TEST(FittedImages, AverageWhereTheyShrinkAndCropAtTheCentre) {
  // 2 x 4 blocks of one grey each; halved, the middle column pair of the crop keeps its greys.
  std::vector<std::uint8_t> greys;
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 8; ++x) greys.push_back(static_cast<std::uint8_t>(100 + 10 * (x / 4)));
  }
  const data::RgbxImage image = grey_image(4, 8, greys);
  EXPECT_EQ(greys_of(fitted(image, {4, 8, 3})), greys);
  // Weights 1/8, 3/8, 3/8, 1/8 around each centre: pixels 1 to 4 and 3 to 6, of which the last and the first
  // lies across the edge.
  const std::vector<std::uint8_t> halved{101, 109, 101, 109};
  EXPECT_EQ(greys_of(fitted(image, {2, 2, 3})), halved);
  // Scaled to a larger shorter side first, the crop sees less of it.
  EXPECT_EQ(greys_of(fitted(image, {2, 2, 3}, 4)), (std::vector<std::uint8_t>{100, 110, 100, 110}));
  EXPECT_EQ(greys_of(fitted(grey_image(1, 1, {30}), {3, 3, 3})), std::vector<std::uint8_t>(9, 30));
  EXPECT_THROW((void)fitted(image, {4, 8, 1}), Error);
}

TEST(DecodedImages, RefuseWhatIsBroken) {
  const auto decode = [](const std::string& text) { return decode_images(test::bytes_of(text), "x.ppm"); };
  for (const char* text :
       {"P6", "P6 2", "P6 2 2", "P6 2 2 255", "P6 2 2 255\n12345678901", "P6 -2 2 255\n", "P6 0 2 255\n",
        "P6 2 2 65535\n", "P6 99999999999 99999999999 255\n", "P6 65536 65536 255\n", "P6 # open"}) {
    const std::string message = test::error_of([&] { (void)decode(text); });
    EXPECT_NE(message.find("'x.ppm'"), std::string::npos) << text << ": " << message;
  }
  const auto images = decode("P6 2 1 255\nabcdef");
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(fitted(images[0].image, {1, 2, 3}), (std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'}));
}

}  // namespace
}  // namespace secateur::app
