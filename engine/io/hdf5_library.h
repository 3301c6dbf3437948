// The HDF5 library, tamed: one caller at a time, silent, every failure an Error, every identifier owned.
#pragma once

#include <hdf5.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace secateur {

// Exclusive use of the library, which keeps global state and is built without its own lock in most
// distributions. The library prints no errors meanwhile; the embedding program's own handler is put back
// afterwards.
class Hdf5Session {
 public:
  Hdf5Session();
  ~Hdf5Session();
  Hdf5Session(const Hdf5Session&) = delete;
  Hdf5Session& operator=(const Hdf5Session&) = delete;

 private:
  std::unique_lock<std::mutex> lock_;
  H5E_auto2_t handler_ = nullptr;
  void* handler_data_ = nullptr;
};

// Owner of an HDF5 identifier of any type.
class Hdf5Handle {
 public:
  Hdf5Handle() = default;
  // Takes what a library call returned; throws Error "HDF5 cannot <what>: <the library's own reason>" for a
  // failure.
  Hdf5Handle(hid_t id, std::string_view what);
  ~Hdf5Handle() { reset(); }
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  Hdf5Handle(const Hdf5Handle&) = delete;
  Hdf5Handle& operator=(const Hdf5Handle&) = delete;

  [[nodiscard]] hid_t get() const { return id_; }

 private:
  void reset();
  hid_t id_ = H5I_INVALID_HID;
};

// Passes on a result that is not negative; throws the same Error for one that is.
template <class Result>
Result check_hdf5(Result result, std::string_view what);

[[noreturn]] void fail_in_hdf5(std::string_view what);

template <class Result>
Result check_hdf5(Result result, std::string_view what) {
  if (result < 0) fail_in_hdf5(what);
  return result;
}

}  // namespace secateur
