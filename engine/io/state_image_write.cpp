#include <algorithm>
#include <array>
#include <string>

#include "io/hdf5_library.h"
#include "io/state_image.h"
#include "io/state_image_types.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

class ImageWriter {
 public:
  explicit ImageWriter(const StateTree& tree) {
    Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), "make access properties");
    // One growth step that fits everything: the library reallocates its memory at every step.
    check_hdf5(H5Pset_fapl_core(access.get(), memory_estimate(tree), 0), "keep a file in memory");
    // The oldest file format is wanted: H5Fget_file_image of library 1.10 spoils the checksum of a newer
    // superblock.
    check_hdf5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST),
               "set the file format");
    Hdf5Handle creation(H5Pcreate(H5P_FILE_CREATE), "make creation properties");
    check_hdf5(H5Pset_userblock(creation.get(), kUserBlockBytes), "reserve the user block");
    check_hdf5(H5Pset_obj_track_times(creation.get(), false), "leave times out");
    file_ = Hdf5Handle(H5Fcreate("checkpoint", H5F_ACC_TRUNC, creation.get(), access.get()),
                       "create a file in memory");

    link_ = Hdf5Handle(H5Pcreate(H5P_LINK_CREATE), "make link properties");
    check_hdf5(H5Pset_char_encoding(link_.get(), H5T_CSET_UTF8), "set the encoding of names");
    group_ = Hdf5Handle(H5Pcreate(H5P_GROUP_CREATE), "make group properties");
    check_hdf5(H5Pset_obj_track_times(group_.get(), false), "leave times out");
    dataset_ = Hdf5Handle(H5Pcreate(H5P_DATASET_CREATE), "make dataset properties");
    check_hdf5(H5Pset_obj_track_times(dataset_.get(), false), "leave times out");
    check_hdf5(H5Pset_layout(dataset_.get(), H5D_CONTIGUOUS), "set the layout");
  }

  void write(const std::string& path, const StateValue& value) {
    make_groups(path);
    path_ = path;
    std::visit(*this, value);
  }

  std::vector<std::byte> image() {
    check_hdf5(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL), "finish the file");
    const ssize_t bytes = check_hdf5(H5Fget_file_image(file_.get(), nullptr, 0), "tell the size of the file");
    // The library hands out what lies behind the user block.
    std::vector<std::byte> image(static_cast<std::size_t>(kUserBlockBytes + bytes));
    check_hdf5(
        H5Fget_file_image(file_.get(), image.data() + kUserBlockBytes, static_cast<std::size_t>(bytes)),
        "hand out the file");
    return image;
  }

  void operator()(std::int64_t value) { write_scalar("integer", H5T_STD_I64LE, H5T_NATIVE_INT64, &value); }
  void operator()(double value) { write_scalar("real", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value); }
  void operator()(bool value) {
    const std::uint8_t byte = value ? 1 : 0;
    write_scalar("boolean", H5T_STD_U8LE, H5T_NATIVE_UINT8, &byte);
  }
  void operator()(const std::string& value) {
    // Of fixed length, so that any character can be in it; the empty one has no type of its length and is a
    // null space.
    const Hdf5Handle type = string_type(std::max<std::size_t>(value.size(), 1));
    const Hdf5Handle space(H5Screate(value.empty() ? H5S_NULL : H5S_SCALAR), "make a data space");
    write_dataset("string", type.get(), type.get(), space, value.empty() ? nullptr : value.data());
  }
  void operator()(const std::vector<std::int64_t>& values) {
    write_list("integers", H5T_STD_I64LE, H5T_NATIVE_INT64, values);
  }
  void operator()(const std::vector<double>& values) {
    write_list("reals", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values);
  }
  void operator()(const std::vector<std::string>& values) {
    std::vector<const char*> texts;
    texts.reserve(values.size());
    for (const std::string& value : values) {
      require(value.find('\0') == std::string::npos,
              "state '{}': a list of strings cannot hold a NUL character", path_);
      texts.push_back(value.c_str());
    }
    const Hdf5Handle type = string_type(H5T_VARIABLE);
    write_list("strings", type.get(), type.get(), texts);
  }
  void operator()(const StoredTensor& tensor) {
    const auto expected = static_cast<std::size_t>(tensor.shape.count() * size_of(tensor.dtype));
    require(tensor.bytes.size() == expected, "state '{}': a tensor {} {} has {} bytes, got {}", path_,
            name_of(tensor.dtype), tensor.shape.to_string(), expected, tensor.bytes.size());
    std::array<hsize_t, Shape::kMaxRank> extents{};
    std::copy(tensor.shape.extents().begin(), tensor.shape.extents().end(), extents.begin());
    const Hdf5Handle space(tensor.shape.rank() == 0
                               ? H5Screate(H5S_SCALAR)
                               : H5Screate_simple(tensor.shape.rank(), extents.data(), nullptr),
                           "make a data space");
    const hid_t type = stored_type_of(tensor.dtype);
    const Hdf5Handle dataset = write_dataset("tensor", type, type, space, tensor.bytes.data());
    write_attribute(dataset, "dtype", name_of(tensor.dtype));
  }

 private:
  // Data, and room for the library's own records of each value.
  static std::size_t memory_estimate(const StateTree& tree) {
    std::size_t bytes = 64 * 1024;
    for (const auto& [path, value] : tree.entries()) {
      bytes += 1024 + 2 * path.size();
      if (const auto* tensor = std::get_if<StoredTensor>(&value)) bytes += tensor->bytes.size();
    }
    return bytes;
  }

  void make_groups(const std::string& path) {
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      const std::string group = path.substr(0, slash);
      // Entries come sorted, so a new group is one that the last entry was not in.
      if (path_.starts_with(group + '/')) continue;
      if (check_hdf5(H5Lexists(file_.get(), group.c_str(), H5P_DEFAULT), "look for a group") > 0) continue;
      Hdf5Handle(H5Gcreate2(file_.get(), group.c_str(), link_.get(), group_.get(), H5P_DEFAULT),
                 "make a group");
    }
  }

  void write_scalar(std::string_view kind, hid_t file_type, hid_t memory_type, const void* value) {
    write_dataset(kind, file_type, memory_type, Hdf5Handle(H5Screate(H5S_SCALAR), "make a data space"),
                  value);
  }

  template <class T>
  void write_list(std::string_view kind, hid_t file_type, hid_t memory_type, const std::vector<T>& values) {
    const hsize_t count = values.size();
    const Hdf5Handle space(H5Screate_simple(1, &count, nullptr), "make a data space");
    write_dataset(kind, file_type, memory_type, space, values.data());
  }

  Hdf5Handle write_dataset(std::string_view kind, hid_t file_type, hid_t memory_type, const Hdf5Handle& space,
                           const void* data) {
    Hdf5Handle dataset(H5Dcreate2(file_.get(), path_.c_str(), file_type, space.get(), link_.get(),
                                  dataset_.get(), H5P_DEFAULT),
                       fmt::format("make the dataset '{}'", path_));
    if (H5Sget_simple_extent_npoints(space.get()) > 0) {
      check_hdf5(H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data),
                 fmt::format("write the dataset '{}'", path_));
    }
    write_attribute(dataset, "kind", kind);
    return dataset;
  }

  static void write_attribute(const Hdf5Handle& dataset, const char* name, std::string_view text) {
    const Hdf5Handle type = string_type(text.size());
    const Hdf5Handle space(H5Screate(H5S_SCALAR), "make a data space");
    const Hdf5Handle attribute(
        H5Acreate2(dataset.get(), name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
        "make an attribute");
    check_hdf5(H5Awrite(attribute.get(), type.get(), text.data()), "write an attribute");
  }

  Hdf5Handle file_;
  Hdf5Handle link_;
  Hdf5Handle group_;
  Hdf5Handle dataset_;
  std::string path_;
};

}  // namespace

std::vector<std::byte> make_state_image(const StateTree& tree) {
  const Hdf5Session session;
  ImageWriter writer(tree);
  for (const auto& [path, value] : tree.entries()) writer.write(path, value);
  return writer.image();
}

}  // namespace secateur
