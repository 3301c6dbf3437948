#include "secateur/image_contract.h"

#include "secateur/core/error.h"
#include "secateur/core/names.h"
#include "secateur/data/cifar.h"
#include "secateur/data/registry.h"
#include "secateur/io/options.h"

namespace secateur::app {
namespace {

// The data set that the network was trained on, opened again, for its class names and for sets that are made
// and not published.
ImageContract contract_of_training_data(const LoadedModel& loaded) {
  RunOptions options;
  OptionList list(options.data, options.run);
  list.apply(Recipe::from_text(loaded.text("recipe"), "the stored recipe"), UnknownKeys::ignore);
  options.data.validation = 0;  // the split does not matter
  const RunData data = open_data(options, std::nullopt);
  return contract_of(data.training);
}

}  // namespace

std::string ImageContract::class_name(std::int64_t index) const {
  return index < static_cast<std::int64_t>(class_names.size()) ? class_names[static_cast<std::size_t>(index)]
                                                               : fmt::format("class {}", index);
}

void ImageContract::save(StateWriter writer) const {
  writer.set("mean", statistics.mean);
  writer.set("deviation", statistics.deviation);
  writer.set("classes", class_names);
}

data::ChannelStatistics statistics_called(const std::string& name) {
  // torchvision's, of ImageNet's training images.
  if (name == "imagenet") return {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
  if (name == "cifar10") return data::cifar10_layout().statistics;
  if (name == "cifar100") return data::cifar100_layout().statistics;
  if (name == "none") return {};
  fail("--normalization is imagenet, cifar10, cifar100 or none, not '{}'{}", name,
       did_you_mean(name, std::vector<std::string>{"imagenet", "cifar10", "cifar100", "none"}));
}

ImageContract contract_of(const data::ImageSet& set) { return {set.statistics(), set.class_names()}; }

ImageContract contract_of(const LoadedModel& loaded) {
  const StateReader reader(loaded.tree);
  if (reader.contains("images")) {
    const StateReader images = reader.scope("images");
    return {{images.get<std::vector<double>>("mean"), images.get<std::vector<double>>("deviation")},
            images.get<std::vector<std::string>>("classes")};
  }
  const std::string name = loaded.text("data_name");
  try {
    return contract_of_training_data(loaded);
  } catch (const Error& error) {
    // Published sets need not be on this machine.
    if (name == "cifar10" || name == "cifar100") return {statistics_called(name), {}};
    fail("how the network's images were normalised is not known: {}", error.what());
  }
}

}  // namespace secateur::app
