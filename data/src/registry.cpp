#include "secateur/data/registry.h"

#include <array>

#include "secateur/core/error.h"
#include "secateur/core/names.h"
#include "secateur/data/cifar.h"
#include "secateur/data/packed.h"

namespace secateur::data {
namespace {

struct Registration {
  std::string_view name;
  DataSets (*open)(const DatasetOptions& options);
};

DataSets open_cifar(const CifarLayout& layout, const DatasetOptions& options) {
  return read_cifar(layout, find_cifar(layout, options.directory));
}

// Images at their full size have no folder of their own name to be looked for.
std::filesystem::path named_place(const char* set, const DatasetOptions& options) {
  require(options.directory.has_value(), "where is data set '{}'? Name its place with --data-dir", set);
  return *options.directory;
}

constexpr std::array kRegistrations{
    Registration{"cifar10", [](const DatasetOptions& o) { return open_cifar(cifar10_layout(), o); }},
    Registration{"cifar100", [](const DatasetOptions& o) { return open_cifar(cifar100_layout(), o); }},
    Registration{
        "imagefolder",
        [](const DatasetOptions& o) { return read_image_folder(named_place("imagefolder", o), o.images); }},
    Registration{
        "packed",
        [](const DatasetOptions& o) { return read_packed(named_place("packed", o), o.images.image_size); }},
    Registration{"synthetic", [](const DatasetOptions& o) { return make_synthetic(o.synthetic); }},
};

}  // namespace

std::vector<std::string> dataset_names() {
  std::vector<std::string> names;
  for (const Registration& registration : kRegistrations) names.emplace_back(registration.name);
  return names;
}

DataSets open_dataset(std::string_view name, const DatasetOptions& options) {
  for (const Registration& registration : kRegistrations) {
    if (registration.name == name) return registration.open(options);
  }
  const std::vector<std::string> names = dataset_names();
  fail("there is no data set '{}'{}; known: {}", name, did_you_mean(name, names), fmt::join(names, ", "));
}

}  // namespace secateur::data
