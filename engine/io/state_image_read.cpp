#include <array>
#include <exception>
#include <string>

#include "io/hdf5_library.h"
#include "io/state_image.h"
#include "io/state_image_types.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

class ImageReader {
 public:
  explicit ImageReader(std::vector<std::byte>& image) {
    Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), "make access properties");
    check_hdf5(H5Pset_fapl_core(access.get(), 1 << 20, 0), "keep a file in memory");
    check_hdf5(H5Pset_file_image(access.get(), image.data(), image.size()), "take a file from memory");
    // The property holds a copy, and opening makes another: one too many together with the caller's.
    std::vector<std::byte>().swap(image);
    file_ = Hdf5Handle(H5Fopen("checkpoint", H5F_ACC_RDONLY, access.get()), "open the file");
  }

  StateTree read() {
    check_hdf5(H5Lvisit(file_.get(), H5_INDEX_NAME, H5_ITER_INC, visit_link, this), "go through the file");
    if (failure_ != nullptr) std::rethrow_exception(failure_);
    return std::move(tree_);
  }

 private:
  // Exceptions must not pass through the library, which is written in C.
  static herr_t visit_link(hid_t group, const char* name, const H5L_info_t* info, void* reader) {
    auto& self = *static_cast<ImageReader*>(reader);
    try {
      require(info->type == H5L_TYPE_HARD, "'{}' is a link to elsewhere", name);
      const Hdf5Handle object(H5Oopen(group, name, H5P_DEFAULT), fmt::format("open '{}'", name));
      const H5I_type_t type = H5Iget_type(object.get());
      if (type == H5I_GROUP) return 0;
      require(type == H5I_DATASET, "'{}' is neither a group nor a dataset", name);
      self.path_ = name;
      self.tree_.set(name, self.read_value(object));
      return 0;
    } catch (...) {
      self.failure_ = std::current_exception();
      return 1;  // ends the visit
    }
  }

  [[nodiscard]] StateValue read_value(const Hdf5Handle& dataset) const {
    const Hdf5Handle space(H5Dget_space(dataset.get()), "read a data space");
    const Hdf5Handle type(H5Dget_type(dataset.get()), "read a type");
    const std::string kind = read_attribute(dataset, "kind");
    if (kind == "tensor") return read_tensor(dataset, type, space);
    if (kind == "integer")
      return read_scalar<std::int64_t>(dataset, type, space, H5T_STD_I64LE, H5T_NATIVE_INT64);
    if (kind == "real") return read_scalar<double>(dataset, type, space, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE);
    if (kind == "boolean") {
      return read_scalar<std::uint8_t>(dataset, type, space, H5T_STD_U8LE, H5T_NATIVE_UINT8) != 0;
    }
    if (kind == "string") return read_string(dataset, type, space);
    if (kind == "integers")
      return read_list<std::int64_t>(dataset, type, space, H5T_STD_I64LE, H5T_NATIVE_INT64);
    if (kind == "reals") return read_list<double>(dataset, type, space, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE);
    if (kind == "strings") return read_strings(dataset, type, space);
    fail("state '{}' is of the unknown kind '{}'", path_, kind);
  }

  template <class T>
  [[nodiscard]] T read_scalar(const Hdf5Handle& dataset, const Hdf5Handle& type, const Hdf5Handle& space,
                              hid_t file_type, hid_t memory_type) const {
    require(H5Tequal(type.get(), file_type) > 0, "state '{}' has an unexpected type", path_);
    require(H5Sget_simple_extent_type(space.get()) == H5S_SCALAR, "state '{}' is not a single value", path_);
    T value{};
    read_into(dataset, memory_type, &value);
    return value;
  }

  template <class T>
  [[nodiscard]] std::vector<T> read_list(const Hdf5Handle& dataset, const Hdf5Handle& type,
                                         const Hdf5Handle& space, hid_t file_type, hid_t memory_type) const {
    require(H5Tequal(type.get(), file_type) > 0, "state '{}' has an unexpected type", path_);
    std::vector<T> values(list_length(space));
    if (!values.empty()) read_into(dataset, memory_type, values.data());
    return values;
  }

  [[nodiscard]] std::string read_string(const Hdf5Handle& dataset, const Hdf5Handle& type,
                                        const Hdf5Handle& space) const {
    require(H5Tget_class(type.get()) == H5T_STRING && H5Tis_variable_str(type.get()) == 0,
            "state '{}' has an unexpected type", path_);
    const H5S_class_t extent = H5Sget_simple_extent_type(space.get());
    if (extent == H5S_NULL) return {};
    require(extent == H5S_SCALAR, "state '{}' is not a single value", path_);
    std::string text(H5Tget_size(type.get()), '\0');
    read_into(dataset, type.get(), text.data());
    return text;
  }

  [[nodiscard]] std::vector<std::string> read_strings(const Hdf5Handle& dataset, const Hdf5Handle& type,
                                                      const Hdf5Handle& space) const {
    require(H5Tis_variable_str(type.get()) > 0, "state '{}' has an unexpected type", path_);
    std::vector<char*> texts(list_length(space), nullptr);
    if (texts.empty()) return {};
    read_into(dataset, type.get(), texts.data());
    std::vector<std::string> strings;
    strings.reserve(texts.size());
    for (const char* text : texts) strings.emplace_back(text == nullptr ? "" : text);
    check_hdf5(H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, texts.data()), "release strings");
    return strings;
  }

  [[nodiscard]] StoredTensor read_tensor(const Hdf5Handle& dataset, const Hdf5Handle& type,
                                         const Hdf5Handle& space) const {
    StoredTensor tensor;
    tensor.dtype = dtype_from_name(read_attribute(dataset, "dtype"));
    require(H5Tequal(type.get(), stored_type_of(tensor.dtype)) > 0, "state '{}' has an unexpected type",
            path_);
    const int rank = check_hdf5(H5Sget_simple_extent_ndims(space.get()), "read the shape of a tensor");
    require(rank <= Shape::kMaxRank, "state '{}' has {} axes, more than {}", path_, rank, Shape::kMaxRank);
    std::array<hsize_t, Shape::kMaxRank> stored{};
    check_hdf5(H5Sget_simple_extent_dims(space.get(), stored.data(), nullptr), "read the shape of a tensor");
    const std::vector<std::int64_t> extents(stored.begin(), stored.begin() + rank);
    tensor.shape = Shape(extents);
    tensor.bytes.resize(static_cast<std::size_t>(tensor.shape.count() * size_of(tensor.dtype)));
    if (!tensor.bytes.empty()) read_into(dataset, type.get(), tensor.bytes.data());
    return tensor;
  }

  [[nodiscard]] std::size_t list_length(const Hdf5Handle& space) const {
    require(H5Sget_simple_extent_ndims(space.get()) == 1, "state '{}' is not a list", path_);
    return static_cast<std::size_t>(
        check_hdf5(H5Sget_simple_extent_npoints(space.get()), "read the length of a list"));
  }

  void read_into(const Hdf5Handle& dataset, hid_t memory_type, void* destination) const {
    check_hdf5(H5Dread(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, destination),
               fmt::format("read the dataset '{}'", path_));
  }

  [[nodiscard]] std::string read_attribute(const Hdf5Handle& dataset, const char* name) const {
    const Hdf5Handle attribute(H5Aopen(dataset.get(), name, H5P_DEFAULT),
                               fmt::format("find the attribute '{}' of '{}'", name, path_));
    const Hdf5Handle type(H5Aget_type(attribute.get()), "read a type");
    const Hdf5Handle space(H5Aget_space(attribute.get()), "read a data space");
    require(H5Tget_class(type.get()) == H5T_STRING && H5Tis_variable_str(type.get()) == 0 &&
                H5Sget_simple_extent_type(space.get()) == H5S_SCALAR,
            "the attribute '{}' of '{}' is no text", name, path_);
    std::string text(H5Tget_size(type.get()), '\0');
    check_hdf5(H5Aread(attribute.get(), type.get(), text.data()), "read an attribute");
    return text;
  }

  Hdf5Handle file_;
  StateTree tree_;
  std::string path_;
  std::exception_ptr failure_;
};

}  // namespace

StateTree read_state_image(std::vector<std::byte> image) {
  const Hdf5Session session;
  return ImageReader(image).read();
}

}  // namespace secateur
