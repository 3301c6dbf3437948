#include "secateur/called_as.h"

#include <cerrno>
#include <cstdlib>

namespace secateur::app {

std::string called_as() {
  const char* launcher = std::getenv("SECATEUR_CALLED_AS");
  return launcher != nullptr && *launcher != '\0' ? launcher : program_invocation_name;
}

std::string as_called(std::string_view text) {
  constexpr std::string_view kName = "secateur ";
  const std::string name = called_as() + " ";
  std::string result;
  std::size_t from = 0;
  for (std::size_t found = text.find(kName); found != std::string_view::npos;
       found = text.find(kName, from)) {
    result.append(text, from, found - from).append(name);
    from = found + kName.size();
  }
  return result.append(text, from);
}

}  // namespace secateur::app
