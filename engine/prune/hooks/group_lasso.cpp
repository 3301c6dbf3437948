// group_lasso: the sparse learning of DepGraph (Fang et al. 2023, Sec. 3.3). Everything that depends on one
// channel - its filters in all producers, the scales of the batch norms behind them, what its consumers read
// it with - is shrunk together, the less the channel matters the faster.
#include <algorithm>
#include <cmath>

#include "prune/hooks/hooks.h"
#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/core/slab.h"
#include "secateur/graph/channel_space.h"
#include "secateur/prune/scope.h"

namespace secateur {
namespace {

// A penalty of 16 times the least one for the channel that matters least, as in the authors' code.
constexpr double kSteepness = 4;  // 2^4

class GroupLassoHook final : public TrainHook {
 public:
  explicit GroupLassoHook(const PruneOptions& options)
      : strength_(options.sparsity), scope_(options.scope), keep_(options.keep) {}

  void begin_epoch(Model& model, const HookPlace& /*place*/, Stream& stream) override {
    const ChannelSpaces spaces(model.graph());
    auto of_space = penalised_members(model, spaces);
    visit(model, spaces, stream, of_space,
          [](double& sum, std::int64_t /*element*/, double value) { sum += value * value; });
    penalties_.clear();
    for (std::vector<double>& members : of_space) {
      turn_into_penalties(members);
      penalties_.insert(penalties_.end(), members.begin(), members.end());
    }
    set_decay(model, spaces, of_space, stream);
  }

  void resume_epoch(Model& model, const HookPlace& /*place*/, Stream& stream) override {
    const ChannelSpaces spaces(model.graph());
    auto of_space = penalised_members(model, spaces);
    std::size_t channels = 0;
    for (const auto& members : of_space) channels += members.size();
    require(penalties_.size() == channels,
            "the stored penalties of group_lasso are those of {} channels, the network has {}",
            penalties_.size(), channels);
    auto next = penalties_.cbegin();
    for (std::vector<double>& members : of_space) {
      const auto end = next + static_cast<std::ptrdiff_t>(members.size());
      members.assign(next, end);
      next = end;
    }
    set_decay(model, spaces, of_space, stream);
  }

  void edit(UpdateTerms& terms, const Model& /*model*/) override {
    for (UpdateSegment& segment : terms.segments) segment.weight_decay = 0;
    terms.decay = decay_.data();
  }

  void end_epoch(Model& /*model*/, const HookPlace& /*place*/, Stream& /*stream*/) override {
    penalties_.clear();
  }

  // A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
  void save(StateWriter writer) const override { writer.set("penalties", penalties_); }
  void restore(const StateReader& reader) override {
    penalties_ = reader.get_or<std::vector<double>>("penalties", {});
  }

 private:
  // A list of its members for every space; empty: not penalised.
  [[nodiscard]] std::vector<std::vector<double>> penalised_members(const Model& model,
                                                                   const ChannelSpaces& spaces) const {
    std::vector<std::vector<double>> of_space(spaces.spaces().size());
    for (const std::int64_t s : prunable_spaces(model.graph(), spaces, scope_, keep_)) {
      of_space[static_cast<std::size_t>(s)].assign(static_cast<std::size_t>(spaces.space(s).width), 0.0);
    }
    return of_space;
  }

  void set_decay(const Model& model, const ChannelSpaces& spaces, std::vector<std::vector<double>>& penalties,
                 Stream& stream) {
    std::vector<double> decay(static_cast<std::size_t>(model.layout().trained_elements), 0.0);
    visit(model, spaces, stream, penalties, [&](double penalty, std::int64_t element, double /*value*/) {
      decay[static_cast<std::size_t>(element)] += penalty;
    });
    const std::int64_t bytes = model.layout().trained_elements * size_of(model.dtype());
    if (decay_.bytes() != bytes) decay_ = Slab(model.device(), bytes);
    write_values(Tensor(decay_.data(), model.dtype(), {model.layout().trained_elements}), decay, stream);
  }

  // Calls f(entry, element, value) for every coupled weight and each penalised channel that it belongs to:
  // that of its row and that of its column. `entry` is the channel's in `of_space`, `element` counts in the
  // slab.
  template <class F>
  static void visit(const Model& model, const ChannelSpaces& spaces, Stream& stream,
                    std::vector<std::vector<double>>& of_space, const F& f) {
    const auto entry = [&](const ChannelMember& lane) -> double* {
      if (lane.space < 0) return nullptr;
      std::vector<double>& members = of_space[static_cast<std::size_t>(lane.space)];
      return members.empty() ? nullptr : &members[static_cast<std::size_t>(lane.index)];
    };
    for (std::size_t p = 0; p < model.parameters().size(); ++p) {
      const Parameter& parameter = model.parameters()[p];
      const ParameterSpec& spec = parameter.spec;
      if (spec.kind != ParameterKind::weight && spec.kind != ParameterKind::norm_scale) continue;
      const std::vector<double> values = model.read(static_cast<std::int64_t>(p), stream);
      const auto rows = spaces.lanes(parameter.node);
      const auto inputs = spaces.lanes(model.graph().node(parameter.node).inputs.at(0));
      const std::int64_t row_size = spec.shape.count() / spec.shape[0];
      const std::int64_t columns = spec.shape.last();
      const AxisRole last = spec.axes.back();
      const bool reads =
          spec.shape.rank() > 1 && (last == AxisRole::input || last == AxisRole::grouped_input);
      const std::int64_t group_rows = spec.shape[0] / spec.groups;
      for (std::size_t v = 0; v < values.size(); ++v) {
        const auto flat = static_cast<std::int64_t>(v);
        const std::int64_t row = flat / row_size;
        const std::int64_t element = parameter.offset + flat;
        if (spec.axes[0] == AxisRole::output) {
          if (double* e = entry(rows[static_cast<std::size_t>(row)])) f(*e, element, values[v]);
        }
        if (!reads) continue;
        const std::int64_t run = last == AxisRole::grouped_input ? row / group_rows * columns : 0;
        if (double* e = entry(inputs[static_cast<std::size_t>(run + flat % columns)])) {
          f(*e, element, values[v]);
        }
      }
    }
  }

  // Sums of squares become coefficients.
  void turn_into_penalties(std::vector<double>& members) const {
    if (members.empty()) return;
    for (double& member : members) member = std::sqrt(member);
    const auto [low, high] = std::ranges::minmax(members);
    for (double& member : members) {
      const double weakness = high > low ? (high - member) / (high - low) : 0.0;
      member = strength_ * std::exp2(kSteepness * weakness);
    }
  }

  double strength_;
  PruneScope scope_;
  std::vector<std::string> keep_;
  std::vector<double> penalties_;  // of this epoch, space after space; empty between two epochs
  Slab decay_;
};

}  // namespace

std::unique_ptr<TrainHook> make_group_lasso_hook(const PruneOptions& options) {
  return std::make_unique<GroupLassoHook>(options);
}

}  // namespace secateur
