// A shared library with a C interface, as a host that knows nothing of C++ would load it.
#include <secateur/core/error.h>
#include <secateur/graph/cost.h>
#include <secateur/models/models.h>

#include <cstdint>

extern "C" __attribute__((visibility("default"))) std::int64_t plugin_parameters(const char* network) {
  try {
    return secateur::cost_of(secateur::models::build(network)).parameters;
  } catch (const secateur::Error&) {
    return -1;
  }
}
