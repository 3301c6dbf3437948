// Search: rates of the layers found by trying them out. The loop asks for a candidate, carries it out on the
// network, measures it on the images that steer the run, takes it back and tells what it was worth; at the
// end it removes what the best one says. A new search is a file in prune/search/ and one line in its
// registry, or, from outside the project, a call of register_search.
//
// A search knows nothing of networks or budgets: where the run has a budget, the loop scales every
// candidate's rates until it meets it, so that candidates of equal cost are compared.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "secateur/io/state_tree.h"
#include "secateur/prune/prune_options.h"

namespace secateur {

class Search {
 public:
  virtual ~Search() = default;
  // True when every candidate that it wants to know of was tried.
  [[nodiscard]] virtual bool finished() const = 0;
  // Rates in [0, 1), one a layer, of the candidate whose turn it is; the same until tell() is called.
  [[nodiscard]] virtual std::vector<double> ask() const = 0;
  // The fitness of what ask() gave, not negative, higher is better.
  virtual void tell(double fitness) = 0;
  // Of the best candidate so far; throws Error before the first tell().
  [[nodiscard]] virtual std::vector<double> best() const = 0;
  [[nodiscard]] virtual double best_fitness() const = 0;

  virtual void save(StateWriter writer) const = 0;
  virtual void restore(const StateReader& reader) = 0;
};

struct SearchProblem {
  SearchOptions options = {};
  std::int64_t layers = 0;
  std::int64_t round = 1;  // with the seed, the key of its random numbers
  std::uint64_t seed = 1;
};

//   none   no search: a null pointer
//   abc    artificial bee colony (Lin et al. 2020, ABCPruner)
using SearchFactory = std::function<std::unique_ptr<Search>(const SearchProblem&)>;

// Throws Error that lists the searches.
[[nodiscard]] std::unique_ptr<Search> make_search(const SearchProblem& problem);
// Throws Error when the name is taken.
void register_search(std::string name, std::string description, SearchFactory factory);

struct SearchInfo {
  std::string name;
  std::string description;
};
[[nodiscard]] std::vector<SearchInfo> registered_searches();

}  // namespace secateur
