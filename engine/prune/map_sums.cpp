#include "prune/map_sums.h"

#include <cmath>
#include <numeric>

#include "prune/map_measures.h"
#include "secateur/core/error.h"
#include "secateur/core/host_values.h"

namespace secateur {
namespace {

// Standardises the maps of one image in place (zero mean, unit length over the positions; zeros where a map
// is constant).
void standardize(double* maps, std::int64_t positions, std::int64_t channels) {
  for (std::int64_t c = 0; c < channels; ++c) {
    double mean = 0;
    for (std::int64_t t = 0; t < positions; ++t) mean += maps[t * channels + c];
    mean /= static_cast<double>(positions);
    double square = 0;
    bool constant = true;
    for (std::int64_t t = 0; t < positions; ++t) {
      constant = constant && maps[t * channels + c] == maps[c];
      square += (maps[t * channels + c] - mean) * (maps[t * channels + c] - mean);
    }
    const double scale = constant || !(square > 0) ? 0.0 : 1.0 / std::sqrt(square);
    for (std::int64_t t = 0; t < positions; ++t)
      maps[t * channels + c] = (maps[t * channels + c] - mean) * scale;
  }
}

// Distance from 1 to the next number of the type.
double rounding_unit(DType type) {
  switch (type) {
    case DType::f64:
      return 0x1p-52;
    case DType::f16:
      return 0x1p-10;
    case DType::bf16:
      return 0x1p-7;
    default:
      return 0x1p-23;
  }
}

double reduced_correlation(CorrelationKind kind, double rho) {
  if (kind == CorrelationKind::absolute_mean) return std::abs(rho);
  return kind == CorrelationKind::squared_mean ? rho * rho : rho;
}

}  // namespace

MapSums::MapSums(Device& device, Stream& stream, const ScorerOptions& options, CriterionNeeds needs,
                 bool pairwise, std::vector<TapView> views, const std::vector<SpaceStatistics>& spaces)
    : device_(device),
      stream_(stream),
      kind_(options.redundancy),
      needs_(needs),
      pairwise_(pairwise),
      views_(std::move(views)) {
  for (const SpaceStatistics& space : spaces) {
    Slots& slots = slots_.emplace_back();
    slots.width = space.width;
    slots.offset = slot_count_;
    slot_count_ += space.width;
    const auto width = static_cast<std::size_t>(space.width);
    if (pairwise_) slots.pairwise.assign(width * width, 0.0);
    if (needs_.gradients) slots.taylor.assign(width, 0.0);
    if (needs_.activations) {
      slots.zeros.assign(width, 0.0);
      slots.means.assign(width, 0.0);
    }
    if (needs_.map_ranks) slots.ranks.assign(width, 0.0);
    if (needs_.map_entropies) slots.entropies.assign(width, 0.0);
  }
  for (const TapView& view : views_) ++slots_[view.space].taps;
  sums_ = Slab(device_, 2 * slot_count_ * size_of(DType::f64));
  stream_.zero(sums_.data(), sums_.bytes());
}

// Where the members' lanes do not lie side by side (a trunk that falls into several spaces) they are
// gathered.
Tensor MapSums::members_of(const TapView& view, const Tensor& maps) {
  const auto width = static_cast<std::int64_t>(view.lanes.size());
  const Shape shape{maps.shape[0], maps.shape[1], maps.shape[2], width};
  const std::int64_t element = size_of(maps.dtype);
  if (view.contiguous) {
    return {static_cast<std::byte*>(maps.data) + view.lanes.front() * element, maps.dtype, shape,
            maps.leading};
  }
  if (scratch_.bytes() < shape.count() * element) scratch_ = Slab(device_, shape.count() * element);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(maps.shape[0]));
  std::iota(rows.begin(), rows.end(), 0);
  const GatherSegment segment{.source = maps.data,
                              .destination = scratch_.data(),
                              .middle = maps.shape[1] * maps.shape[2],
                              .in_columns = maps.leading,
                              .rows = rows,
                              .row_group = {},
                              .columns = view.lanes,
                              .out_columns = width};
  primitives_of(device_.kind()).gather(stream_, maps.dtype, {&segment, 1});
  return {scratch_.data(), maps.dtype, shape};
}

void MapSums::add(Program& program, std::int64_t images) {
  for (const TapView& view : views_) {
    const Tensor maps = program.tap(view.program_tap);
    if (needs_.redundancy) add_redundancy(view, members_of(view, maps), images);
    if (pairwise_) add_pairwise(view, members_of(view, maps), images);
    if (needs_.activations) add_activations(view, members_of(view, maps), images);
    if (needs_.map_ranks || needs_.map_entropies) add_measures(view, members_of(view, maps), images);
    if (needs_.gradients) add_taylor(view, maps, program.tap_gradient(view.program_tap), images);
  }
}

void MapSums::add_redundancy(const TapView& view, const Tensor& maps, std::int64_t images) {
  auto* redundancy = reinterpret_cast<double*>(sums_.data()) + slots_[view.space].offset;
  primitives_of(device_.kind())
      .accumulate_redundancy(stream_, kind_, maps, images, {redundancy, redundancy + slot_count_});
}

void MapSums::add_pairwise(const TapView& view, const Tensor& maps, std::int64_t images) {
  std::vector<double> values = read_values(maps, stream_);
  const std::int64_t positions = maps.shape[1] * maps.shape[2];
  const std::int64_t channels = maps.channels();
  std::vector<double>& sums = slots_[view.space].pairwise;
  std::vector<double> rho(sums.size());
  for (std::int64_t n = 0; n < images; ++n) {
    double* image = values.data() + n * positions * channels;
    standardize(image, positions, channels);
    std::fill(rho.begin(), rho.end(), 0.0);
    for (std::int64_t t = 0; t < positions; ++t) {
      const double* row = image + t * channels;
      for (std::int64_t a = 0; a < channels; ++a) {
        double* out = rho.data() + a * channels;
        for (std::int64_t b = 0; b < channels; ++b) out[b] += row[a] * row[b];
      }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += reduced_correlation(kind_, rho[i]);
  }
}

void MapSums::add_activations(const TapView& view, const Tensor& maps, std::int64_t images) {
  const std::vector<double> values = read_values(maps, stream_);
  const std::int64_t positions = maps.shape[1] * maps.shape[2];
  const std::int64_t channels = maps.channels();
  Slots& slots = slots_[view.space];
  for (std::int64_t row = 0; row < images * positions; ++row) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const double value = values[static_cast<std::size_t>(row * channels + c)];
      slots.zeros[static_cast<std::size_t>(c)] += (value == 0 ? 1.0 : 0.0) / static_cast<double>(positions);
      slots.means[static_cast<std::size_t>(c)] += value / static_cast<double>(positions);
    }
  }
}

// One map at a time; channels are shared out between the threads, each adding its images in their order.
void MapSums::add_measures(const TapView& view, const Tensor& maps, std::int64_t images) {
  constexpr std::int64_t kBins = 64;
  const std::vector<double> values = read_values(maps, stream_);
  const std::int64_t rows = maps.shape[1];
  const std::int64_t columns = maps.shape[2];
  const std::int64_t channels = maps.channels();
  const double epsilon = rounding_unit(maps.dtype);
  Slots& slots = slots_[view.space];
#pragma omp parallel for schedule(static)
  for (std::int64_t c = 0; c < channels; ++c) {
    std::vector<double> map(static_cast<std::size_t>(rows * columns));
    for (std::int64_t n = 0; n < images; ++n) {
      for (std::int64_t t = 0; t < rows * columns; ++t) {
        map[static_cast<std::size_t>(t)] =
            values[static_cast<std::size_t>((n * rows * columns + t) * channels + c)];
      }
      const auto slot = static_cast<std::size_t>(c);
      if (needs_.map_entropies) slots.entropies[slot] += histogram_entropy(map, kBins);
      if (needs_.map_ranks) {
        slots.ranks[slot] += static_cast<double>(matrix_rank(map, rows, columns, epsilon));
      }
    }
  }
}

void MapSums::add_taylor(const TapView& view, const Tensor& maps, const Tensor& gradients,
                         std::int64_t images) {
  // One after the other: both may be gathered into the same scratch memory.
  const std::vector<double> values = read_values(members_of(view, maps), stream_);
  const std::vector<double> slopes = read_values(members_of(view, gradients), stream_);
  const std::int64_t positions = maps.shape[1] * maps.shape[2];
  const std::int64_t channels = slots_[view.space].width;
  std::vector<double>& sums = slots_[view.space].taylor;
  for (std::int64_t n = 0; n < images; ++n) {
    for (std::int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (std::int64_t t = 0; t < positions; ++t) {
        const auto i = static_cast<std::size_t>((n * positions + t) * channels + c);
        sum += values[i] * slopes[i];
      }
      // The loss that was differentiated is the batch's mean; here each image counts with its own.
      sums[static_cast<std::size_t>(c)] +=
          std::abs(sum / static_cast<double>(positions)) * static_cast<double>(images);
    }
  }
}

void MapSums::share(Communicator& communicator) {
  communicator.sum(stream_, DType::f64, sums_.data(), 2 * slot_count_);
  for (Slots& slots : slots_) {
    for (std::vector<double>* sums :
         {&slots.pairwise, &slots.taylor, &slots.zeros, &slots.means, &slots.ranks, &slots.entropies}) {
      communicator.sum(*sums);
    }
  }
}

void MapSums::finish(std::int64_t images, std::vector<SpaceStatistics>& spaces) {
  std::vector<double> sums(static_cast<std::size_t>(2 * slot_count_));
  stream_.copy_to_host(sums.data(), sums_.data(), sums_.bytes());
  for (std::size_t s = 0; s < spaces.size(); ++s) {
    const Slots& slots = slots_[s];
    SpaceStatistics& space = spaces[s];
    space.images = images;
    space.taps = slots.taps;
    const auto maps = static_cast<double>(images * slots.taps);
    for (std::int64_t c = 0; needs_.redundancy && c < slots.width; ++c) {
      const auto slot = static_cast<std::size_t>(slots.offset + c);
      const double others = slots.width > 1 ? static_cast<double>(slots.width - 1) : 1.0;
      space.redundancy.push_back(slots.width > 1 ? sums[slot] / (maps * others) : 0.0);
      space.constant_images.push_back(sums[slot + static_cast<std::size_t>(slot_count_)] / maps);
    }
    for (const double sum : slots.pairwise) space.pairwise.push_back(sum / maps);
    for (const double sum : slots.taylor) space.taylor.push_back(sum / maps);
    for (const double sum : slots.zeros) space.zero_fraction.push_back(sum / maps);
    for (const double sum : slots.means) space.mean_activation.push_back(sum / maps);
    for (const double sum : slots.ranks) space.map_rank.push_back(sum / maps);
    for (const double sum : slots.entropies) space.map_entropy.push_back(sum / maps);
  }
}

}  // namespace secateur
