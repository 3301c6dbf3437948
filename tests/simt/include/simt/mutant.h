// Switches that the mutation generator puts into copies of the kernels' sources. One mutant at most is
// active.
#pragma once

namespace secateur::simt {

inline int active_mutant = -1;

// Added to the right side of a comparison: one too far, or one too few.
inline int mutant_delta(int first) {
  return active_mutant == first ? 1 : active_mutant == first + 1 ? -1 : 0;
}
// Whether to leave out a statement.
inline bool mutant_skips(int id) { return active_mutant == id; }

}  // namespace secateur::simt
