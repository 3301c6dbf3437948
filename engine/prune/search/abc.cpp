// abc: the artificial bee colony of ABCPruner (Lin et al. 2020, Alg. 1, in the constants of the authors'
// code). A candidate is a code c in {1 .. P}^L: layer l keeps c_l tenths of its channels.
//
//   at first    every source is drawn at random and measured
//   a cycle     employed  each source in turn: two layers drawn (with replacement) are moved towards or away
//                         from another source k, c' = int(c + R (c - c_k)), R uniform in (-1, 1), within 1 ..
//                         P; kept where it is fitter, else a trial is counted
//               onlooker  the same for each source with probability 0.9 fitness / max fitness + 0.1
//               scout     the source with most trials, if they are `patience` or more, is drawn anew
#include <algorithm>
#include <array>
#include <cmath>

#include "prune/search/searches.h"
#include "secateur/core/error.h"
#include "secateur/core/rng.h"

namespace secateur {
namespace {

enum class Stage : std::uint8_t { initial, employed, onlooker, scout, finished };
constexpr std::array<std::string_view, 5> kStageNames{"initial", "employed", "onlooker", "scout", "finished"};

using Code = std::vector<std::int64_t>;

class AbcSearch final : public Search {
 public:
  explicit AbcSearch(const SearchProblem& problem) : problem_(problem) {
    const SearchOptions& o = problem.options;
    require(problem.layers >= 1, "a search needs layers, got {}", problem.layers);
    require(o.sources >= 2, "a bee colony has at least two sources, since each looks at another, got {}",
            o.sources);
    require(o.levels >= 1 && o.levels <= 10, "a layer keeps 1 to 10 tenths of its channels, got {}",
            o.levels);
    require(o.cycles >= 0 && o.patience >= 1, "cycles and patience are at least 0 and 1, got {} and {}",
            o.cycles, o.patience);
    draw_anew();
  }

  bool finished() const override { return stage_ == Stage::finished; }
  std::vector<double> ask() const override {
    require(!finished(), "the search is finished");
    return rates_of(candidate_);
  }
  std::vector<double> best() const override {
    require(!best_.empty(), "nothing was measured yet");
    return rates_of(best_);
  }
  double best_fitness() const override { return best_fitness_; }

  void tell(double fitness) override {
    require(!finished(), "the search is finished");
    require(std::isfinite(fitness) && fitness >= 0, "a fitness is not negative, got {}", fitness);
    ++told_;
    if (best_.empty() || fitness > best_fitness_) {
      best_ = candidate_;
      best_fitness_ = fitness;
    }
    const auto at = static_cast<std::size_t>(source_);
    if (stage_ == Stage::initial) {
      codes_.push_back(candidate_);
      fitness_.push_back(fitness);
      trials_.push_back(0);
    } else if (stage_ == Stage::scout || fitness > fitness_[at]) {
      codes_[at] = candidate_;
      fitness_[at] = fitness;
      trials_[at] = 0;
    } else {
      ++trials_[at];
    }
    ++source_;
    advance();
  }

  // A writer is a handle. NOLINTNEXTLINE(performance-unnecessary-value-param)
  void save(StateWriter w) const override {
    w.set("stage", static_cast<std::int64_t>(stage_));
    w.set("cycle", cycle_);
    w.set("source", source_);
    w.set("told", told_);
    w.set("candidate", candidate_);
    w.set("best", best_);
    w.set("best_fitness", best_fitness_);
    Code codes;
    for (const Code& code : codes_) codes.insert(codes.end(), code.begin(), code.end());
    w.set("codes", codes);
    w.set("fitness", fitness_);
    w.set("trials", trials_);
  }

  void restore(const StateReader& r) override {
    const auto stage = r.get<std::int64_t>("stage");
    require(stage >= 0 && stage < static_cast<std::int64_t>(kStageNames.size()),
            "the stored search stands at a stage {} that this version does not know", stage);
    stage_ = static_cast<Stage>(stage);
    cycle_ = r.get<std::int64_t>("cycle");
    source_ = r.get<std::int64_t>("source");
    told_ = r.get<std::int64_t>("told");
    candidate_ = r.get<Code>("candidate");
    best_ = r.get<Code>("best");
    best_fitness_ = r.get<double>("best_fitness");
    fitness_ = r.get<std::vector<double>>("fitness");
    trials_ = r.get<Code>("trials");
    const Code& codes = r.get<Code>("codes");
    const auto layers = static_cast<std::size_t>(problem_.layers);
    require(codes.size() == fitness_.size() * layers && trials_.size() == fitness_.size(),
            "the stored search is damaged, or of another network: {} codes of {} layers in {} numbers",
            fitness_.size(), layers, codes.size());
    codes_.clear();
    for (std::size_t s = 0; s < fitness_.size(); ++s) {
      const auto first = codes.begin() + static_cast<std::ptrdiff_t>(s * layers);
      codes_.emplace_back(first, first + problem_.layers);
    }
  }

 private:
  // Numbers of the candidate that follows the ones told of: a resumed search draws the same.
  [[nodiscard]] RandomSequence numbers(std::int64_t what) const {
    return {problem_.seed, RngPurpose::search, static_cast<std::uint32_t>(problem_.round),
            static_cast<std::uint32_t>(4 * told_ + what)};
  }

  static std::vector<double> rates_of(const Code& code) {
    std::vector<double> rates;
    for (const std::int64_t tenths : code) rates.push_back(1.0 - static_cast<double>(tenths) / 10.0);
    return rates;
  }

  void draw_anew() {
    RandomSequence random = numbers(0);
    candidate_.clear();
    for (std::int64_t l = 0; l < problem_.layers; ++l) {
      candidate_.push_back(1 + random.below(static_cast<std::uint32_t>(problem_.options.levels)));
    }
  }

  void move_from(std::size_t source) {
    RandomSequence random = numbers(1);
    auto other = static_cast<std::size_t>(random.below(static_cast<std::uint32_t>(codes_.size() - 1)));
    if (other >= source) ++other;
    candidate_ = codes_[source];
    for (int i = 0; i < 2; ++i) {
      const auto layer = static_cast<std::size_t>(random.below(static_cast<std::uint32_t>(problem_.layers)));
      const auto here = static_cast<double>(codes_[source][layer]);
      const auto there = static_cast<double>(codes_[other][layer]);
      const double moved = here + random.uniform(-1, 1) * (here - there);
      candidate_[layer] =
          std::clamp<std::int64_t>(static_cast<std::int64_t>(moved), 1, problem_.options.levels);
    }
  }

  // Onlookers are drawn by numbers of cycle and source alone: those that do not fly tell nothing.
  [[nodiscard]] bool onlooker_flies(std::size_t source) const {
    const double most = *std::ranges::max_element(fitness_);
    const double chance = most > 0 ? 0.9 * fitness_[source] / most + 0.1 : 1.0;
    RandomSequence random(problem_.seed, RngPurpose::search,
                          static_cast<std::uint32_t>(problem_.round) | 0x80000000U,
                          static_cast<std::uint32_t>(cycle_ * problem_.options.sources + source_));
    return random.uniform() <= chance;
  }

  // To the next candidate that is to be measured.
  void advance() {
    while (stage_ != Stage::finished) {
      if (stage_ == Stage::scout && source_ < 0) {
        const auto most = std::ranges::max_element(trials_);
        if (*most >= problem_.options.patience) {
          source_ = most - trials_.begin();
          draw_anew();
          return;
        }
        ++cycle_;
        begin_cycle();
      } else if (stage_ == Stage::scout) {  // the scout came back
        ++cycle_;
        begin_cycle();
      } else if (source_ == problem_.options.sources) {
        next_stage();
      } else if (stage_ == Stage::initial) {
        draw_anew();
        return;
      } else if (stage_ == Stage::employed || onlooker_flies(static_cast<std::size_t>(source_))) {
        move_from(static_cast<std::size_t>(source_));
        return;
      } else {
        ++source_;
      }
    }
  }

  void next_stage() {
    if (stage_ == Stage::initial) {
      begin_cycle();
    } else if (stage_ == Stage::employed) {
      stage_ = Stage::onlooker;
      source_ = 0;
    } else {
      stage_ = Stage::scout;
      source_ = -1;  // not chosen yet
    }
  }

  void begin_cycle() {
    stage_ = cycle_ < problem_.options.cycles ? Stage::employed : Stage::finished;
    source_ = 0;
  }

  SearchProblem problem_;
  Stage stage_ = Stage::initial;
  std::int64_t cycle_ = 0;
  std::int64_t source_ = 0;
  std::int64_t told_ = 0;
  Code candidate_;
  Code best_;
  double best_fitness_ = 0;
  std::vector<Code> codes_;  // of the sources
  std::vector<double> fitness_;
  Code trials_;
};

}  // namespace

std::unique_ptr<Search> make_abc_search(const SearchProblem& problem) {
  return std::make_unique<AbcSearch>(problem);
}

}  // namespace secateur
