#include "secateur/data/image_folder.h"

#include <algorithm>
#include <map>

#include "data_fixtures.h"
#include "image_fixtures.h"
#include "secateur/core/log.h"
#include "secateur/data/image_loader.h"
#include "secateur/data/prefetch.h"
#include "secateur/data/split.h"

namespace secateur::data {
namespace {

namespace fs = std::filesystem;

class ImageFolder : public ::testing::Test {
 public:
  ImageFolder() { make_image_folder(root()); }
  [[nodiscard]] const fs::path& root() const { return directory_.path(); }
  [[nodiscard]] DataSets open(const ImageFolderOptions& options = {.image_size = 16}) const {
    return read_image_folder(root(), options);
  }
  [[nodiscard]] std::string error(const ImageFolderOptions& options = {.image_size = 16}) const {
    return error_of([&] { (void)open(options); });
  }

 private:
  TemporaryDirectory directory_;
};

struct Batch {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
  // Number of the image at place i, by its grey level.
  [[nodiscard]] int number(std::size_t i) const {
    const std::size_t count = pixels.size() / labels.size();
    return (pixels[i * count] - 40 + 2) / 4;
  }
};

Batch batch_of(PixelSource& source, std::int64_t first, std::int64_t count) {
  Batch batch{std::vector<std::uint8_t>(static_cast<std::size_t>(count * source.image_shape().count())),
              std::vector<std::int32_t>(static_cast<std::size_t>(count))};
  source.fill_pixels(first, count, batch.pixels, batch.labels);
  return batch;
}

TEST_F(ImageFolder, ListsClassesAndImagesInTheOrderOfTheirNames) {
  const DataSets sets = open();
  EXPECT_EQ(sets.train.class_names(), (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(sets.train.class_counts(), (std::vector<std::int64_t>{6, 6}));
  EXPECT_EQ(sets.test.class_counts(), (std::vector<std::int64_t>{3, 3}));
  EXPECT_EQ(sets.train.encoded()->name_of(7), (root() / "train" / "dog" / "1.jpg").string());
  ImageLoader loader(sets.test, evaluation_options());
  const Batch batch = batch_of(loader, 0, 6);
  EXPECT_EQ(batch.labels, (std::vector<std::int32_t>{0, 0, 0, 1, 1, 1}));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(batch.number(static_cast<std::size_t>(i)), 12 + i);
}

// A smaller size changes the size alone: crops are of the same parts, those of a set opened at that size.
TEST_F(ImageFolder, LoadersChangeTheSizeOfTheirImages) {
  const LoaderOptions options = training_options(5);
  ImageLoader small(open({.image_size = 16}).train, options);
  ImageLoader large(open({.image_size = 24}).train, options);
  PrefetchingLoader ahead(std::make_unique<ImageLoader>(open({.image_size = 24}).train, options));
  large.set_image_size(16);
  EXPECT_EQ(large.image_shape(), (MapShape{16, 16, 3}));
  EXPECT_EQ(batch_of(large, 0, 12).pixels, batch_of(small, 0, 12).pixels);
  EXPECT_THROW(large.set_image_size(25), Error);
  EXPECT_THROW(large.set_image_size(7), Error);

  const auto device = make_host_device(DeviceKind::cpu);
  const auto stream = device->make_stream();
  const auto floats = [&](BatchSource& source) {
    std::vector<float> pixels(static_cast<std::size_t>(6 * source.image_shape().count()));
    std::vector<std::int32_t> labels(6);
    source.begin_epoch(1);
    source.fill(0, 6, *stream, {pixels.data(), DType::f32, source.image_shape().batched(6)},
                {labels.data(), DType::i32, {6, 1, 1, 1}});
    return pixels;
  };
  (void)floats(ahead);  // leaves the next batch, of the old size, ready
  ahead.set_image_size(16);
  EXPECT_EQ(floats(ahead), floats(small));
  EXPECT_THROW(ahead.set_image_size(25), Error);
}

TEST_F(ImageFolder, ReadsAFlatValidationFolder) {
  for (const char* name : {"cat", "dog"}) {
    for (int i = 0; i < 3; ++i) {
      fs::rename(root() / "val" / name / (std::to_string(i) + ".jpg"),
                 root() / "val" / (std::string(name) + std::to_string(i) + ".JPEG"));
    }
    fs::remove(root() / "val" / name);
  }
  EXPECT_NE(error().find("stand in no folders of classes"), std::string::npos);

  // By name, as Kaggle's file says it.
  write_text(
      root() / "LOC_val_solution.csv",
      "ImageId,PredictionString\ndog0,dog 1 2 3 4 dog 5 6 7 8\ncat0,cat 1 2 3 4\ncat1,cat 1 2\ncat2,cat 9\n"
      "dog1,dog 1\ndog2,cat 1\n");
  EXPECT_EQ(open().test.class_counts(), (std::vector<std::int64_t>{4, 2}));
  write_text(root() / "val.txt", "cat0.JPEG cat\ncat1.JPEG\tdgo\n");
  EXPECT_NE(error().find("val.txt:2: 'dgo' is no known class; did you mean 'dog'?"), std::string::npos)
      << error();
  write_text(root() / "val.txt", "cat0.JPEG cat\n");
  EXPECT_NE(error().find("says no class of"), std::string::npos);

  // By number, which needs the classes in the numbers' order.
  write_text(root() / "numbers", "1\n1\n1\n2\n2\n2\n");
  ImageFolderOptions options{.image_size = 16, .validation_labels = root() / "numbers"};
  EXPECT_NE(error(options).find("need the development kit's meta.mat beside them, or --class-map"),
            std::string::npos);
  write_text(root() / "map", "dog Good boy\ncat\nunicorn\n");
  options.class_map = root() / "map";
  const DataSets sets = open(options);
  EXPECT_EQ(sets.train.class_names(), (std::vector<std::string>{"Good boy", "cat", "unicorn"}));
  EXPECT_EQ(sets.train.class_counts(), (std::vector<std::int64_t>{6, 6, 0}));
  EXPECT_EQ(sets.train.label(0), 1);  // the first image is still the first cat
  EXPECT_EQ(sets.test.class_counts(), (std::vector<std::int64_t>{3, 3, 0}));
  write_text(root() / "numbers", "1\n1\n1\n2\n4\n2\n");
  EXPECT_NE(error(options).find("numbers:5: expected a class's number from 1 to 3, got '4'"),
            std::string::npos);
}

// ImageNet as its publisher gives it: the numbers of the validation images are those of the kit's meta.mat.
TEST_F(ImageFolder, ReadsThePublishersDevelopmentKit) {
  const std::map<std::string, std::string> ids{{"cat", "n02100735"}, {"dog", "n02119789"}};
  for (const auto& [name, id] : ids) {
    fs::rename(root() / "train" / name, root() / "train" / id);
    for (int i = 0; i < 3; ++i) {
      fs::rename(root() / "val" / name / (std::to_string(i) + ".jpg"),
                 root() / "val" / (name + std::to_string(i) + ".JPEG"));
    }
    fs::remove(root() / "val" / name);
  }
  const fs::path kit = root() / "ILSVRC2012_devkit_t12" / "data";
  fs::create_directories(kit);
  fs::copy_file(fs::path(test::kSourceDir) / "tests/data/devkit/matlab.mat", kit / "meta.mat");
  // Number 1 is n02119789, number 2 n02100735, whose label is the first of the folders.
  write_text(kit / "ILSVRC2012_validation_ground_truth.txt", "2\n2\n1\n1\n1\n1\n");
  const DataSets sets = open();
  EXPECT_EQ(sets.test.class_names(), (std::vector<std::string>{"n02100735", "n02119789"}));
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < 6; ++i) labels.push_back(sets.test.label(i));
  EXPECT_EQ(labels, (std::vector<std::int32_t>{0, 0, 1, 1, 1, 1}));

  // A class map stands above it.
  write_text(root() / "map", "n02100735\nn02119789\n");
  EXPECT_EQ(open({.image_size = 16, .class_map = root() / "map"}).test.class_counts(),
            (std::vector<std::int64_t>{4, 2}));
  write_text(kit / "ILSVRC2012_validation_ground_truth.txt", "2\n3\n1\n1\n1\n1\n");
  EXPECT_NE(error().find("truth.txt:2: there is no folder of training images for class number 3"),
            std::string::npos)
      << error();
  write_text(kit / "ILSVRC2012_validation_ground_truth.txt", "2\n4\n1\n1\n1\n1\n");
  EXPECT_NE(error().find("expected a class's number from 1 to 3, got '4'"), std::string::npos) << error();
}

TEST_F(ImageFolder, NamesWhatIsWrong) {
  EXPECT_NE(
      error_of([&] { (void)read_image_folder(root() / "train", {}); }).find("there is no folder 'train'"),
      std::string::npos);
  write_text(root() / "map", "cat\nbird\n");
  EXPECT_NE(error({.image_size = 16, .class_map = root() / "map"}).find("is the folder of no known class"),
            std::string::npos);
  fs::create_directories(root() / "val" / "horse");
  EXPECT_NE(error().find("'" + (root() / "val" / "horse").string() + "' is the folder of no known class"),
            std::string::npos);
  fs::remove(root() / "val" / "horse");
  fs::create_directories(root() / "train" / "empty");
  EXPECT_NE(error().find("there are no images"), std::string::npos);
}

TEST_F(ImageFolder, BatchesDependOnSeedEpochAndSampleAlone) {
  const ImageSet set = open().train;
  LoaderOptions options = training_options(9);
  options.decoding.jitter = {0.3};
  const auto epoch_of = [&](std::int64_t threads, std::int64_t epoch, std::int64_t step) {
    options.decoding.threads = threads;
    ImageLoader loader(set, options);
    loader.begin_epoch(epoch);
    Batch all;
    for (std::int64_t first = 0; first < 12; first += step) {
      const Batch batch = batch_of(loader, first, step);
      all.pixels.insert(all.pixels.end(), batch.pixels.begin(), batch.pixels.end());
      all.labels.insert(all.labels.end(), batch.labels.begin(), batch.labels.end());
    }
    return all;
  };
  const Batch one = epoch_of(1, 2, 12);
  const Batch many = epoch_of(5, 2, 3);
  EXPECT_EQ(one.pixels, many.pixels);
  EXPECT_EQ(one.labels, many.labels);
  EXPECT_NE(one.pixels, epoch_of(3, 3, 12).pixels);
  // In the middle of an epoch, as a resumed run asks.
  ImageLoader resumed(set, options);
  resumed.begin_epoch(2);
  const Batch tail = batch_of(resumed, 7, 5);
  EXPECT_TRUE(std::equal(tail.pixels.begin(), tail.pixels.end(), one.pixels.begin() + 7 * 16 * 16 * 3));
}

TEST_F(ImageFolder, LeavesOutWhatCannotBeDecodedAndReportsItOnce) {
  const std::vector<std::byte> truncated = test_image("truncated.jpg");
  write_file_atomically(root() / "train" / "cat" / "1.jpg", truncated);
  write_text(root() / "train" / "dog" / "0.jpg", "");
  write_text(root() / "val" / "dog" / "2.jpg", "this is no picture");
  std::vector<std::string> lines;
  set_log_callback([&](std::string_view line) { lines.emplace_back(line); });
  const DataSets sets = open();
  ImageLoader training(sets.train, {.shuffle = true, .seed = 4});
  std::map<int, int> seen;
  for (const std::int64_t epoch : {0, 1}) {
    training.begin_epoch(epoch);
    const Batch batch = batch_of(training, 0, 12);
    for (std::size_t i = 0; i < 12; ++i) {
      ++seen[batch.number(i)];
      EXPECT_EQ(batch.labels[i], batch.number(i) < 6 ? 0 : 1);  // the label of the image that took the place
    }
  }
  EXPECT_EQ(seen.size(), 10U);
  EXPECT_EQ(training.bad_images(), 2);
  EXPECT_EQ(lines.size(), 2U);
  EXPECT_TRUE(std::ranges::any_of(lines, [](const std::string& line) {
    return line.find("cat/1.jpg': the JPEG is cut short") != std::string::npos;
  }));

  ImageLoader evaluation(sets.test, evaluation_options());
  const Batch batch = batch_of(evaluation, 0, 6);
  EXPECT_EQ(batch.labels[5], 1);
  EXPECT_EQ(batch.pixels[5 * 16 * 16 * 3], 124);  // 0.485 of full scale
  EXPECT_EQ(evaluation.bad_images(), 1);
  set_log_callback({});

  LoaderOptions strict = evaluation_options();
  strict.decoding.strict = true;
  ImageLoader refusing(sets.test, strict);
  EXPECT_NE(error_of([&] { (void)batch_of(refusing, 0, 6); }).find("dog/2.jpg' is no JPEG"),
            std::string::npos);
  EXPECT_NO_THROW((void)batch_of(refusing, 0, 5));
  for (const char* name : {"cat", "dog"}) {
    for (int i = 0; i < 6; ++i) write_text(root() / "train" / name / (std::to_string(i) + ".jpg"), "x");
  }
  EXPECT_NE(error_of([&] { (void)batch_of(training, 0, 4); }).find("12 images of 'imagefolder' in a row"),
            std::string::npos);
}

TEST_F(ImageFolder, GoesThroughTheSplitAndTheFactory) {
  const DataSets sets = open();
  const auto split = TrainValidationSplit::make(sets.train, 4, 1);
  const auto source = make_loader(split.validation_part(sets.train), evaluation_options());
  EXPECT_EQ(source->size(), 4);
  EXPECT_EQ(source->image_shape(), (MapShape{16, 16, 3}));
  Host host;
  HostBatch<float> batch(4, {16, 16, 3}, 4);
  source->fill(0, 4, *host.stream, batch.images, batch.labels);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto index = split.validation_indices()[i];
    const double grey = (40.0 + 4.0 * static_cast<double>(index)) / 255;
    EXPECT_NEAR(batch.pixels[i * 16 * 16 * 4], (grey - 0.485) / 0.229, 0.02);
    EXPECT_EQ(batch.pixels[i * 16 * 16 * 4 + 3], 0);
  }
  EXPECT_THROW(Loader(sets.train, {}), Error);
  EXPECT_THROW(ImageLoader(random_set(4, {8, 8, 3}), {}), Error);
}

}  // namespace
}  // namespace secateur::data
