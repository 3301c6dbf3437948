#include "selftest/op_case.h"

namespace secateur::selftest {

void PrintTo(const OpCase& op_case, std::ostream* stream) { *stream << op_case.name; }

std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  add_filter_cases(cases);
  add_normalization_cases(cases);
  add_pooling_cases(cases);
  add_elementwise_cases(cases);
  add_channel_cases(cases);
  return cases;
}

}  // namespace secateur::selftest
