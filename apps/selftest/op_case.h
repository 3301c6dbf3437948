// One declaration of an op at one shape. From it come a check of any device against the reference, finite
// differences of the reference, and a benchmark.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "secateur/graph/graph.h"

namespace secateur::selftest {

enum class InputValues : std::uint8_t {
  normal,
  distinct,  // no two values of a map are near each other, so that a maximum has no rival
  tied,      // few different values, so that most maxima have rivals: no finite differences
  labels,    // the second input holds class numbers, some negative; the others are normal
};

struct OpCase {
  std::string name;  // letters, digits and underscores; unique
  std::string op;
  Attributes attributes = {};
  std::vector<MapShape> inputs = {};
  std::int64_t batch = 1;
  std::int64_t channel_padding = 1;  // leading dimensions are multiples of this
  bool batch_statistics = false;
  InputValues values = InputValues::normal;
  std::vector<bool> input_gradients = {};  // one an input; empty: all (but of labels)

  [[nodiscard]] bool wants_gradient(std::size_t input) const {
    if (!input_gradients.empty()) return input_gradients.at(input);
    return !is_label(input);
  }
  [[nodiscard]] bool is_label(std::size_t input) const { return values == InputValues::labels && input == 1; }
};

// For GoogleTest, which would show bytes.
void PrintTo(const OpCase& op_case, std::ostream* stream);

// Every case. Shapes are those of the layers of VGG-16 and ResNet-20 at a small batch, with the widths that
// pruning leaves beside them.
[[nodiscard]] std::vector<OpCase> op_cases();

void add_filter_cases(std::vector<OpCase>& cases);
void add_normalization_cases(std::vector<OpCase>& cases);
void add_pooling_cases(std::vector<OpCase>& cases);
void add_elementwise_cases(std::vector<OpCase>& cases);
void add_channel_cases(std::vector<OpCase>& cases);

}  // namespace secateur::selftest
