// Sensitivity: what a trained network loses when one layer alone loses its weakest channels, without
// fine-tuning; and the rates that it tolerates, layer by layer, for the rate policy of that name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "experiments/notebook.h"
#include "experiments/specimen.h"

namespace secateur::experiments {

struct LayerSensitivity {
  std::string layer;
  std::int64_t channels = 0;
  std::vector<double> top1;  // one a fraction
};

struct SensitivityTable {
  double whole = 0;  // top-1 of the network as it is
  std::vector<double> fractions;
  std::vector<LayerSensitivity> layers;
};

// Each layer and fraction is one entry of the notebook, under `key`; progress is printed a line a layer.
[[nodiscard]] SensitivityTable measure_sensitivity(Specimen& specimen, const std::vector<SpaceScores>& spaces,
                                                   const std::vector<double>& fractions, std::int64_t images,
                                                   Notebook& notes, const std::string& key);

// The same for stored weights, scored by the options' criterion; the notebook's file keeps what was measured,
// and an interrupted measurement goes on with it.
[[nodiscard]] SensitivityTable measure_sensitivity_of(const app::RunOptions& options,
                                                      const std::filesystem::path& weights,
                                                      const std::vector<double>& fractions,
                                                      std::int64_t images,
                                                      const std::filesystem::path& notebook);

// "LAYER=RATE" for each layer: the largest fraction up to which top-1 stays within `tolerance` of the whole
// network's; layers that tolerate none are left out.
[[nodiscard]] std::vector<std::string> tolerated_rates(const SensitivityTable& table, double tolerance);

// "LAYER=RATE@LOSS" for each layer and fraction, for the rate policy `cie`: what of top-1 is lost.
[[nodiscard]] std::vector<std::string> contributions(const SensitivityTable& table);

}  // namespace secateur::experiments

namespace secateur::app {

struct SensitivityArguments {
  std::filesystem::path weights;
  std::vector<double> fractions{0.1, 0.2, 0.3, 0.4, 0.5};
  double tolerance = 0.02;
  std::int64_t images = 0;  // validation images to measure on, 0 for all
};
// Measures, and leaves sensitivity.json and rates.toml (a recipe for `secateur prune`) in the run's folder,
// where an interrupted measurement goes on; cie.toml is the same for the policy `cie`.
int run_sensitivity(const RunOptions& options, const SensitivityArguments& arguments);

}  // namespace secateur::app
