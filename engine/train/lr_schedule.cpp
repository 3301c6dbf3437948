#include "secateur/train/lr_schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "secateur/core/error.h"

namespace secateur {
namespace {

double constant(double /*progress*/) { return 1.0; }

double paper(double progress) {
  if (progress < 0.5) return 1.0;
  return progress < 0.75 ? 0.01 : 0.001;
}

double step(double progress) {
  if (progress < 0.5) return 1.0;
  return progress < 0.75 ? 0.1 : 0.01;
}

double cosine(double progress) { return 0.5 * (1.0 + std::cos(std::numbers::pi * progress)); }

double onecycle(double progress) {
  constexpr double kRise = 0.3;
  constexpr double kStart = 0.04;
  if (progress < kRise) return 1.0 + (kStart - 1.0) * cosine(progress / kRise);
  return cosine((progress - kRise) / (1.0 - kRise));
}

constexpr std::array<std::pair<std::string_view, LrFactor>, 5> kSchedules{
    {{"constant", constant}, {"paper", paper}, {"step", step}, {"cosine", cosine}, {"onecycle", onecycle}}};

}  // namespace

LrFactor find_lr_schedule(std::string_view name) {
  for (const auto& [known, factor] : kSchedules) {
    if (known == name) return factor;
  }
  fail("unknown learning-rate schedule '{}': expected one of {}", name, fmt::join(lr_schedule_names(), ", "));
}

std::vector<std::string> lr_schedule_names() {
  std::vector<std::string> names;
  for (const auto& [name, factor] : kSchedules) names.emplace_back(name);
  return names;
}

double LrPhase::rate(double epoch) const {
  const double progress = epochs > 0 ? std::min(epoch / epochs, 1.0) : 1.0;
  const double warmup = warmup_epochs > 0 ? std::min(epoch / warmup_epochs, 1.0) : 1.0;
  return base_rate * factor(progress) * warmup;
}

}  // namespace secateur
