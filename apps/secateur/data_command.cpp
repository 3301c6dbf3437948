// secateur data: fetching data sets and looking at them; secateur version.
#include <fmt/format.h>

#include "secateur/commands.h"
#include "secateur/core/version.h"
#include "secateur/data/fetch.h"
#include "secateur/data/registry.h"
#include "secateur/session.h"
#include "secateur/text.h"

namespace secateur::app {

int run_data_fetch(const std::string& name, const std::filesystem::path& directory) {
  data::fetch_dataset(name, directory, [](std::string_view line) { fmt::print("{}\n", line); });
  fmt::print("use it with: --data {} --data-dir {}\n", name, directory.string());
  return 0;
}

int run_data_info(const RunOptions& options) {
  const RunData data = open_data(options, std::nullopt);
  const data::ImageSet& set = data.training;
  const MapShape shape = set.image_shape();
  fmt::print("{}: {}x{}x{}, {} classes\n", set.name(), shape.height, shape.width, shape.channels,
             set.num_classes());
  std::vector<std::vector<std::string>> rows{{"class", "training", "validation", "test"}};
  const auto training = set.class_counts();
  const auto validation =
      data.validation ? data.validation->class_counts() : std::vector<std::int64_t>(training.size());
  const auto test = data.test.class_counts();
  for (std::size_t k = 0; k < training.size(); ++k) {
    rows.push_back({set.class_names()[k], grouped(training[k]), grouped(validation[k]), grouped(test[k])});
  }
  rows.push_back({"all", grouped(set.size()), grouped(data.validation ? data.validation->size() : 0),
                  grouped(data.test.size())});
  fmt::print("{}", table_text(rows));
  fmt::print("  mean {:.4f}, deviation {:.4f} (of full scale, by channel)\n",
             fmt::join(set.statistics().mean, " "), fmt::join(set.statistics().deviation, " "));
  return 0;
}

int run_version() {
  const BuildInfo& build = build_info();
  fmt::print("secateur {} ({}, {}, {}{})\n", build.version, build.commit, build.compiler, build.build_type,
             build.cuda ? ", CUDA" : "");
  return 0;
}

}  // namespace secateur::app
