#include "io/hdf5_library.h"

#include "secateur/core/error.h"

namespace secateur {
namespace {

std::mutex& library_mutex() {
  static std::mutex mutex;
  return mutex;
}

// Keeps the description of the innermost failure, which H5E_WALK_UPWARD visits first.
herr_t keep_first(unsigned /*depth*/, const H5E_error2_t* error, void* text) {
  auto* reason = static_cast<std::string*>(text);
  if (reason->empty() && error->desc != nullptr) *reason = error->desc;
  return 0;
}

}  // namespace

Hdf5Session::Hdf5Session() : lock_(library_mutex()) {
  H5Eget_auto2(H5E_DEFAULT, &handler_, &handler_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Hdf5Session::~Hdf5Session() { H5Eset_auto2(H5E_DEFAULT, handler_, handler_data_); }

Hdf5Handle::Hdf5Handle(hid_t id, std::string_view what) : id_(check_hdf5(id, what)) {}

void Hdf5Handle::reset() {
  if (id_ >= 0) H5Idec_ref(id_);
}

void fail_in_hdf5(std::string_view what) {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
  fail("HDF5 cannot {}: {}", what, reason.empty() ? "no reason given" : reason);
}

}  // namespace secateur
