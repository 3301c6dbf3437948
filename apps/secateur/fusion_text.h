// What a program did with its convolutions' batch norms (graph/conv_fusion.h), in words and as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "secateur/graph/conv_fusion.h"

namespace secateur::app {

// "batch norm in convolutions: 9 apply it to what they read, 12 take its statistics alone, 1 neither (1:
// reads no batch norm with a ReLU)"; empty where there are no choices.
[[nodiscard]] std::string conv_fusion_text(std::span<const ConvFusionChoice> choices);

// {"norm_act": 9, "statistics": 12, "none": 1, "layers": [{"layer", "fusion", "reason"}]}
[[nodiscard]] nlohmann::json conv_fusion_json(std::span<const ConvFusionChoice> choices);

// --fuse auto|off; throws Error for another word.
[[nodiscard]] bool fuses_convolutions(const std::string& word);

}  // namespace secateur::app
