#include "secateur/cache.h"

#include <fmt/format.h>

#include <cctype>
#include <cstdlib>

#include "secateur/backend/cuda.h"
#include "secateur/core/error.h"
#include "secateur/core/log.h"
#include "secateur/core/version.h"

namespace secateur::app {
namespace {

// "NVIDIA H200" and cuDNN 9.19.0: "nvidia-h200-cudnn-9-19-0"
std::string file_name(const Stream& stream) {
  std::string name = fmt::format("{} cudnn {}", stream.device().description(), build_info().cudnn_version);
  for (char& c : name) {
    const auto byte = static_cast<unsigned char>(c);
    c = std::isalnum(byte) != 0 ? static_cast<char>(std::tolower(byte)) : '-';
  }
  return name + ".json";
}

}  // namespace

std::filesystem::path cache_folder() {
  if (const char* own = std::getenv("SECATEUR_CACHE"); own != nullptr) return own;
  if (const char* shared = std::getenv("XDG_CACHE_HOME"); shared != nullptr && *shared != '\0') {
    return std::filesystem::path(shared) / "secateur";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return std::filesystem::path(home) / ".cache" / "secateur";
  }
  return {};
}

KeptConvChoices::KeptConvChoices(Stream& stream) : stream_(stream) {
  const std::filesystem::path folder = cache_folder();
  if (stream.device().kind() != DeviceKind::cuda || folder.empty()) return;
  file_ = folder / "convolutions" / file_name(stream);
  try {
    recall_conv_choices(stream, file_);
  } catch (const Error& error) {
    log_line(fmt::format("engines of convolutions are chosen anew: {}", error.what()));
  }
}

KeptConvChoices::~KeptConvChoices() {
  if (file_.empty()) return;
  try {
    std::error_code ignored;  // writing says what is wrong
    std::filesystem::create_directories(file_.parent_path(), ignored);
    keep_conv_choices(stream_, file_);
  } catch (const std::exception& error) {
    log_line(fmt::format("engines of convolutions are not kept: {}", error.what()));
  }
}

}  // namespace secateur::app
