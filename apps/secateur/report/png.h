// Figures as pixels, for slides and papers that take no SVG.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace secateur::report {

// The bytes of a PNG of an SVG file on white, at twice its size, drawn by rsvg-convert (Debian:
// librsvg2-bin); nothing where that is not installed or cannot draw it.
[[nodiscard]] std::optional<std::string> png_of(const std::filesystem::path& svg);

}  // namespace secateur::report
