#include "secateur/report/png.h"

#include "secateur/process.h"

namespace secateur::report {

std::optional<std::string> png_of(const std::filesystem::path& svg) {
  return app::output_of({"rsvg-convert", "--zoom=2", "--background-color=white", "--", svg.string()});
}

}  // namespace secateur::report
