#include "secateur/io/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "io/strict_json.h"
#include "secateur/core/error.h"
#include "secateur/core/host_values.h"
#include "secateur/core/names.h"
#include "secateur/io/files.h"

namespace secateur {
namespace {

using nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::int64_t kLengthBytes = 8;
// {"tensor": {"shape": [..]}}: nothing in a header lies deeper.
constexpr int kMaxDepth = 3;

struct TypeName {
  std::string_view name;
  DType type;
};
constexpr std::array<TypeName, 7> kTypes{{{"F64", DType::f64},
                                          {"F32", DType::f32},
                                          {"F16", DType::f16},
                                          {"BF16", DType::bf16},
                                          {"I64", DType::i64},
                                          {"I32", DType::i32},
                                          {"U8", DType::u8}}};

// An integer of the header that is an offset or an extent.
std::int64_t size_from(const json& value, const std::string& origin, const std::string& what) {
  require(value.is_number_unsigned() && value.get<std::uint64_t>() <= (std::uint64_t{1} << 62),
          "'{}': {}: expected a whole number from 0 to 2^62, got {}", origin, what,
          shown_text(value.dump(-1, ' ', true)));
  return value.get<std::int64_t>();
}

}  // namespace

Safetensors Safetensors::read(const std::filesystem::path& path) {
  return parse(read_file(path), path.string());
}

Safetensors Safetensors::parse(std::vector<std::byte> bytes, std::string origin) {
  Safetensors file;
  file.origin_ = std::move(origin);
  file.bytes_ = std::move(bytes);
  const auto size = static_cast<std::int64_t>(file.bytes_.size());
  require(size > kLengthBytes, "'{}': {} bytes are too few for a safetensors file", file.origin_, size);
  std::uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i) {
    length = length << 8 | std::to_integer<std::uint64_t>(file.bytes_[static_cast<std::size_t>(i)]);
  }
  require(length <= static_cast<std::uint64_t>(kMaxSafetensorsHeader),
          "'{}': not a safetensors file, or a hostile one: it announces a header of {} bytes, at most {} are "
          "read",
          file.origin_, length, kMaxSafetensorsHeader);
  const auto header = static_cast<std::int64_t>(length);
  require(header <= size - kLengthBytes,
          "'{}': the header should have {} bytes, the file has {} after its first {}", file.origin_, header,
          size - kLengthBytes, kLengthBytes);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes_.data()) + kLengthBytes,
                              static_cast<std::size_t>(header));
  require(text.starts_with("{"), "'{}': the header should begin with '{{'", file.origin_);
  file.read_header(text, kLengthBytes + header);
  return file;
}

void Safetensors::read_header(std::string_view text, std::int64_t data_begin) {
  const json header = parse_strict_json(text, origin_, kMaxDepth);
  const std::span<const std::byte> data =
      std::span<const std::byte>(bytes_).subspan(static_cast<std::size_t>(data_begin));
  struct Range {
    std::int64_t begin;
    std::int64_t end;
    std::string name;
  };
  std::vector<Range> ranges;
  for (const auto& [name, value] : header.items()) {
    require(value.is_object(), "'{}': '{}' should be an object, is {}", origin_, shown_text(name),
            value.type_name());
    if (name == kMetadataKey) {
      for (const auto& [key, entry] : value.items()) {
        require(entry.is_string(), "'{}': '{}' of __metadata__ should be text, is {}", origin_,
                shown_text(key), entry.type_name());
        metadata_[key] = entry.get<std::string>();
      }
      continue;
    }
    const std::string what = fmt::format("tensor '{}'", shown_text(name));
    for (const char* key : {"dtype", "shape", "data_offsets"}) {
      require(value.contains(key), "'{}': {} has no '{}'", origin_, what, key);
    }
    const json& dtype = value["dtype"];
    require(dtype.is_string(), "'{}': the dtype of {} should be text, is {}", origin_, what,
            dtype.type_name());
    const auto* const type = std::ranges::find(kTypes, dtype.get_ref<const std::string&>(), &TypeName::name);
    require(type != kTypes.end(), "'{}': {} has dtype {}; F64, F32, F16, BF16, I64, I32 and U8 are read",
            origin_, what, shown_text(dtype.get_ref<const std::string&>()));
    const json& shape = value["shape"];
    require(shape.is_array() && shape.size() <= Shape::kMaxRank,
            "'{}': the shape of {} should be a list of at most {} extents", origin_, what, Shape::kMaxRank);
    std::vector<std::int64_t> extents;
    for (const json& extent : shape) extents.push_back(size_from(extent, origin_, "extent of " + what));
    Entry entry{type->type, {}, {}};
    try {
      entry.shape = Shape(extents);
    } catch (const Error& error) {
      fail("'{}': {}: {}", origin_, what, error.what());
    }
    const json& offsets = value["data_offsets"];
    require(offsets.is_array() && offsets.size() == 2, "'{}': data_offsets of {} should be [begin, end]",
            origin_, what);
    const std::int64_t begin = size_from(offsets[0], origin_, "begin of " + what);
    const std::int64_t end = size_from(offsets[1], origin_, "end of " + what);
    const auto available = static_cast<std::int64_t>(data.size());
    require(begin <= end && end <= available, "'{}': {} lies at bytes {} to {}, and there are {}", origin_,
            what, begin, end, available);
    // Divided, not multiplied: 2^62 elements of 8 bytes are past 64 bits.
    const std::int64_t element = size_of(entry.dtype);
    require((end - begin) % element == 0 && (end - begin) / element == entry.shape.count(),
            "'{}': {} has {} bytes, its shape {} of {} needs {} elements of {}", origin_, what, end - begin,
            entry.shape.to_string(), type->name, entry.shape.count(), element);
    entry.bytes = data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    ranges.push_back({begin, end, name});
    entries_.emplace(name, std::move(entry));
  }
  std::ranges::sort(ranges, {}, [](const Range& r) { return std::pair(r.begin, r.end); });
  std::int64_t covered = 0;
  for (const Range& range : ranges) {
    require(range.begin == covered, "'{}': tensor '{}' begins at byte {}, where {} ends at {}", origin_,
            shown_text(range.name), range.begin,
            range.begin < covered ? "another, which it overlaps," : "the one before it", covered);
    covered = range.end;
  }
  require(covered == static_cast<std::int64_t>(data.size()), "'{}': the tensors end at byte {} of {}",
          origin_, covered, data.size());
}

const Safetensors::Entry& Safetensors::at(std::string_view name) const {
  const auto found = entries_.find(name);
  require(found != entries_.end(), "'{}': there is no tensor '{}'{}", origin_, name,
          did_you_mean(name, keys_of(entries_)));
  return found->second;
}

std::vector<double> Safetensors::values(std::string_view name) const {
  const Entry& entry = at(name);
  const DType type = entry.dtype;
  require(type == DType::f32 || type == DType::f64 || type == DType::f16 || type == DType::bf16,
          "'{}': tensor '{}' is {}, expected f64, f32, f16 or bf16", origin_, shown_text(name),
          name_of(type));
  std::vector<double> result(static_cast<std::size_t>(entry.shape.count()));
  const auto element = static_cast<std::size_t>(size_of(type));
  for (std::size_t i = 0; i < result.size(); ++i)
    result[i] = decode_element(type, entry.bytes.data() + i * element);
  return result;
}

std::vector<std::byte> encode_safetensors(std::span<const NamedTensor> tensors, const Metadata& metadata) {
  json header = json::object();
  if (!metadata.empty()) {
    for (const auto& [key, text] : metadata) header[std::string(kMetadataKey)][key] = text;
  }
  std::int64_t end = 0;
  for (const NamedTensor& tensor : tensors) {
    require(!tensor.name.empty() && tensor.name != kMetadataKey, "a tensor cannot be called '{}'",
            tensor.name);
    require(!header.contains(tensor.name), "two tensors are called '{}'", tensor.name);
    require(static_cast<std::int64_t>(tensor.values.size()) == tensor.shape.count(),
            "tensor '{}' has {} values, its shape {} needs {}", tensor.name, tensor.values.size(),
            tensor.shape.to_string(), tensor.shape.count());
    const std::int64_t begin = end;
    end += tensor.shape.count() * size_of(DType::f32);
    const auto extents = tensor.shape.extents();
    header[tensor.name] = {{"dtype", "F32"},
                           {"shape", std::vector<std::int64_t>(extents.begin(), extents.end())},
                           {"data_offsets", {begin, end}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception& error) {
    fail("a name or a text of the metadata cannot be written: {}", error.what());
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors begin on eight bytes
  require(static_cast<std::int64_t>(text.size()) <= kMaxSafetensorsHeader,
          "the header would have {} bytes, at most {} can be read", text.size(), kMaxSafetensorsHeader);
  std::vector<std::byte> bytes(static_cast<std::size_t>(kLengthBytes) + text.size() +
                               static_cast<std::size_t>(end));
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    bytes[i] = static_cast<std::byte>(text.size() >> (8 * i) & 0xff);
  std::memcpy(bytes.data() + kLengthBytes, text.data(), text.size());
  std::byte* at = bytes.data() + kLengthBytes + text.size();
  for (const NamedTensor& tensor : tensors) {
    for (const float value : tensor.values) {
      encode_element(DType::f32, static_cast<double>(value), at);
      at += sizeof(float);
    }
  }
  return bytes;
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const Metadata& metadata) {
  write_file_atomically(path, encode_safetensors(tensors, metadata));
}

}  // namespace secateur
