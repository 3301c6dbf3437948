// HDF5 types that writing and reading a state image share.
#pragma once

#include "io/hdf5_library.h"
#include "secateur/core/dtype.h"
#include "secateur/core/error.h"

namespace secateur {

// UTF-8 text of `bytes` bytes, or H5T_VARIABLE.
[[nodiscard]] inline Hdf5Handle string_type(std::size_t bytes) {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), "make a string type");
  check_hdf5(H5Tset_size(type.get(), bytes), "set the length of a string type");
  check_hdf5(H5Tset_strpad(type.get(), bytes == H5T_VARIABLE ? H5T_STR_NULLTERM : H5T_STR_NULLPAD),
             "set the padding of a string type");
  check_hdf5(H5Tset_cset(type.get(), H5T_CSET_UTF8), "set the encoding of a string type");
  return type;
}

// The type of a tensor's elements, in the file and in StoredTensor alike: no conversion takes place.
[[nodiscard]] inline hid_t stored_type_of(DType type) {
  switch (type) {
    case DType::f32:
      return H5T_IEEE_F32LE;
    case DType::f64:
      return H5T_IEEE_F64LE;
    case DType::f16:
    case DType::bf16:
      return H5T_STD_U16LE;
    case DType::u8:
      return H5T_STD_U8LE;
    case DType::i32:
      return H5T_STD_I32LE;
    case DType::i64:
      return H5T_STD_I64LE;
  }
  fail("element type {} cannot be stored", static_cast<int>(type));
}

}  // namespace secateur
