#include "secateur/data/registry.h"

#include <array>

#include "secateur/core/error.h"
#include "secateur/core/names.h"
#include "secateur/data/cifar.h"

namespace secateur::data {
namespace {

using Directory = std::optional<std::filesystem::path>;

struct Registration {
  std::string_view name;
  DataSets (*open)(const Directory& directory, const SyntheticOptions& synthetic);
};

DataSets open_cifar(const CifarLayout& layout, const Directory& directory) {
  return read_cifar(layout, find_cifar(layout, directory));
}

constexpr std::array kRegistrations{
    Registration{"cifar10",
                 [](const Directory& d, const SyntheticOptions&) { return open_cifar(cifar10_layout(), d); }},
    Registration{"cifar100", [](const Directory& d,
                                const SyntheticOptions&) { return open_cifar(cifar100_layout(), d); }},
    Registration{"synthetic", [](const Directory&, const SyntheticOptions& s) { return make_synthetic(s); }},
};

}  // namespace

std::vector<std::string> dataset_names() {
  std::vector<std::string> names;
  for (const Registration& registration : kRegistrations) names.emplace_back(registration.name);
  return names;
}

DataSets open_dataset(std::string_view name, const Directory& directory, const SyntheticOptions& synthetic) {
  for (const Registration& registration : kRegistrations) {
    if (registration.name == name) return registration.open(directory, synthetic);
  }
  const std::vector<std::string> names = dataset_names();
  fail("there is no data set '{}'{}; known: {}", name, did_you_mean(name, names), fmt::join(names, ", "));
}

}  // namespace secateur::data
