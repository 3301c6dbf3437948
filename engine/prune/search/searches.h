// The built-in searches, for their registry.
#pragma once

#include <memory>

#include "secateur/prune/search.h"

namespace secateur {

[[nodiscard]] std::unique_ptr<Search> make_abc_search(const SearchProblem& problem);

}  // namespace secateur
