#include "secateur/prune/filter_sketch.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/graph/op.h"
#include "secateur/prune/taps.h"

namespace secateur {
namespace {

using Row = std::vector<double>;

double dot(const Row& a, const Row& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

// One-sided Jacobi: rows rotated against each other until they are orthogonal, which leaves the products of
// the columns as they are; then the longest first.
void orthogonalize(std::vector<Row>& rows) {
  constexpr int kSweeps = 40;
  constexpr double kOrthogonal = 1e-13;
  bool rotated = true;
  for (int sweep = 0; sweep < kSweeps && rotated; ++sweep) {
    rotated = false;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = i + 1; j < rows.size(); ++j) {
        const double aa = dot(rows[i], rows[i]);
        const double bb = dot(rows[j], rows[j]);
        const double ab = dot(rows[i], rows[j]);
        if (!(std::abs(ab) > kOrthogonal * std::sqrt(aa * bb))) continue;
        rotated = true;
        const double zeta = (bb - aa) / (2 * ab);
        const double t = std::copysign(1.0, zeta) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const double cosine = 1 / std::sqrt(1 + t * t);
        const double sine = cosine * t;
        for (std::size_t k = 0; k < rows[i].size(); ++k) {
          const double x = rows[i][k];
          rows[i][k] = cosine * x - sine * rows[j][k];
          rows[j][k] = sine * x + cosine * rows[j][k];
        }
      }
    }
  }
  std::ranges::stable_sort(rows, [](const Row& a, const Row& b) { return dot(a, a) > dot(b, b); });
}

// What is left over of a space: where its kept channels lie in the lanes of a node's output.
struct Sketched {
  std::int64_t space = -1;
  std::vector<std::int64_t> kept;  // members
};

// The elements of a weight matrix that belong to each member, in one order for all members.
using ElementsOfMember = std::vector<std::vector<std::size_t>>;

// Replaces the kept members' elements by the sketch of all members'; false where it is left alone.
bool sketch_members(std::vector<double>& values, const ElementsOfMember& elements,
                    const std::vector<std::int64_t>& kept) {
  const std::size_t columns = elements.front().size();
  if (kept.size() >= columns) return false;
  std::vector<double> matrix;
  for (const std::vector<std::size_t>& row : elements) {
    for (const std::size_t place : row) matrix.push_back(values[place]);
  }
  const std::vector<double> sketch =
      frequent_directions(matrix, static_cast<std::int64_t>(elements.size()),
                          static_cast<std::int64_t>(columns), static_cast<std::int64_t>(kept.size()));
  const double norm = std::sqrt(dot(sketch, sketch));
  if (!(norm > 0)) return false;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const std::vector<std::size_t>& row = elements[static_cast<std::size_t>(kept[i])];
    for (std::size_t k = 0; k < columns; ++k) values[row[k]] = sketch[i * columns + k] / norm;
  }
  return true;
}

class Sketcher {
 public:
  Sketcher(Model& model, const PruningPlan& plan, Stream& stream)
      : model_(model), stream_(stream), spaces_(model.graph()), kept_(plan.members(spaces_)) {
    for (std::size_t s = 0; s < kept_.size(); ++s) {
      const ChannelSpace& space = spaces_.space(static_cast<std::int64_t>(s));
      const bool edited = static_cast<std::int64_t>(kept_[s].size()) < space.width;
      if (edited && space.producers.size() == 1 && space.groups == 1 && kept_[s].size() >= 2) {
        sketched_.push_back({static_cast<std::int64_t>(s), kept_[s]});
      }
    }
  }

  void run() {
    for (std::size_t p = 0; p < model_.parameters().size(); ++p) {
      const Parameter& parameter = model_.parameters()[p];
      const bool dense = parameter.spec.axes.back() == AxisRole::input && parameter.spec.shape.rank() >= 2;
      if (parameter.spec.kind != ParameterKind::weight || !dense) continue;
      std::vector<double> values = model_.read(static_cast<std::int64_t>(p), stream_);
      bool changed = false;
      for (const Sketched& s : sketched_) {
        if (spaces_.space(s.space).producers.front().node != parameter.node) continue;
        if (!sketch_members(values, rows_of(parameter, s.space), s.kept)) continue;
        changed = true;
        start_anew(parameter.node, s.space);
      }
      for (const Sketched& s : sketched_) {
        const ElementsOfMember columns = columns_of(parameter, s.space);
        if (!columns.empty()) changed = sketch_members(values, columns, s.kept) || changed;
      }
      if (changed) write(static_cast<std::int64_t>(p), values);
    }
  }

 private:
  [[nodiscard]] ElementsOfMember rows_of(const Parameter& parameter, std::int64_t space) const {
    const auto length = static_cast<std::size_t>(parameter.spec.shape.count() / parameter.spec.shape[0]);
    ElementsOfMember result;
    for (const std::int64_t channel : spaces_.space(space).producers.front().channels) {
      std::vector<std::size_t>& row = result.emplace_back(length);
      std::iota(row.begin(), row.end(), static_cast<std::size_t>(channel) * length);
    }
    return result;
  }

  // Of the rows that stay. Empty where the node reads no channel of the space.
  [[nodiscard]] ElementsOfMember columns_of(const Parameter& parameter, std::int64_t space) const {
    const auto lanes = spaces_.lanes(model_.graph().node(parameter.node).inputs.at(0));
    ElementsOfMember result;
    const auto columns = static_cast<std::size_t>(parameter.spec.shape.last());
    const std::size_t length =
        static_cast<std::size_t>(parameter.spec.shape.count() / parameter.spec.shape[0]);
    const std::vector<std::int64_t> rows = spaces_.kept_lanes(parameter.node, kept_);
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      if (lanes[lane].space != space) continue;
      if (result.empty()) result.resize(static_cast<std::size_t>(spaces_.space(space).width));
      std::vector<std::size_t>& of_member = result[static_cast<std::size_t>(lanes[lane].index)];
      for (const std::int64_t row : rows) {
        for (std::size_t middle = lane; middle < length; middle += columns) {
          of_member.push_back(static_cast<std::size_t>(row) * length + middle);
        }
      }
    }
    // A value that holds only part of the members, or some more often than others, is no matrix of them.
    const bool whole = std::ranges::all_of(
        result, [&](const std::vector<std::size_t>& row) { return row.size() == result.front().size(); });
    return whole && !result.empty() && !result.front().empty() ? result : ElementsOfMember{};
  }

  void start_anew(NodeId producer, std::int64_t space) {
    std::vector<NodeId> nodes{producer};
    for (const Tap& tap : normalizations_of(model_.graph(), spaces_, space)) nodes.push_back(tap.node);
    for (const NodeId node : nodes) {
      for (const std::int64_t p : model_.layout().of_node[static_cast<std::size_t>(node)]) {
        const ParameterKind kind = model_.parameters()[static_cast<std::size_t>(p)].spec.kind;
        if (kind == ParameterKind::weight) continue;
        const bool one = kind == ParameterKind::norm_scale || kind == ParameterKind::running_variance;
        write(p, std::vector<double>(static_cast<std::size_t>(model_.value(p).count()), one ? 1.0 : 0.0));
      }
    }
  }

  void write(std::int64_t parameter, const std::vector<double>& values) {
    model_.write(parameter, values, stream_);
    const Tensor momentum = model_.momentum(parameter);
    if (momentum.empty()) return;
    write_values(momentum, std::vector<double>(values.size(), 0.0), stream_);
  }

  Model& model_;
  Stream& stream_;
  ChannelSpaces spaces_;
  KeptMembers kept_;
  std::vector<Sketched> sketched_;
};

}  // namespace

std::vector<double> frequent_directions(const std::vector<double>& matrix, std::int64_t rows,
                                        std::int64_t columns, std::int64_t rows_kept) {
  require(rows_kept >= 2 && static_cast<std::int64_t>(matrix.size()) == rows * columns,
          "a sketch has two rows at least, of a matrix of {} x {} values; got {} rows and {} values", rows,
          columns, rows_kept, matrix.size());
  const auto size = static_cast<std::size_t>(rows_kept);
  std::vector<Row> sketch;
  for (std::int64_t r = 0; r < rows; ++r) {
    if (sketch.size() == size) {
      orthogonalize(sketch);
      const double delta = dot(sketch[size / 2], sketch[size / 2]);
      for (Row& row : sketch) {
        const double square = dot(row, row);
        const double factor = square > delta ? std::sqrt((square - delta) / square) : 0.0;
        for (double& value : row) value *= factor;
      }
      sketch.resize(size / 2);
    }
    const auto first = matrix.begin() + r * columns;
    sketch.emplace_back(first, first + columns);
  }
  sketch.resize(size, Row(static_cast<std::size_t>(columns), 0.0));
  std::vector<double> result;
  for (const Row& row : sketch) result.insert(result.end(), row.begin(), row.end());
  return result;
}

void sketch_weights(Model& model, const PruningPlan& plan, Stream& stream) {
  Sketcher(model, plan, stream).run();
}

}  // namespace secateur
