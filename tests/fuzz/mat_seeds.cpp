// Files of MATLAB's level 5 like meta.mat of ImageNet's development kit, element by element.
#include <zlib.h>

#include <cstdint>
#include <vector>

#include "fuzz/seeds.h"
#include "secateur/core/error.h"

namespace secateur::fuzz {
namespace {

template <class... T>
std::string numbers(T... values) {
  std::string bytes;
  (bytes.append(reinterpret_cast<const char*>(&values), sizeof(values)), ...);
  return bytes;
}

std::string element(std::uint32_t type, const std::string& data) {
  const std::string padding((8 - data.size() % 8) % 8, '\0');
  return numbers(type, static_cast<std::uint32_t>(data.size())) + data + padding;
}

// Of up to four bytes, within the tag.
std::string small_element(std::uint16_t type, const std::string& data) {
  return numbers(type, static_cast<std::uint16_t>(data.size())) + data + std::string(4 - data.size(), '\0');
}

std::string array(std::uint32_t kind, std::int32_t rows, std::int32_t columns, const std::string& name,
                  const std::string& data) {
  return element(
      14, element(6, numbers(kind, 0U)) + element(5, numbers(rows, columns)) + element(1, name) + data);
}

std::string number(double value) { return array(6, 1, 1, "", element(9, numbers(value))); }
std::string text(const std::string& value) {
  std::string wide;
  for (const char c : value) wide += {c, '\0'};
  return array(4, 1, static_cast<std::int32_t>(value.size()), "", element(4, wide));
}

std::string synsets(const std::string& members, std::int32_t count) {
  std::string names;
  for (std::string name : {"ILSVRC2012_ID", "WNID", "words", "num_children"}) {
    name.resize(16);
    names += name;
  }
  return array(2, count, 1, "synsets", small_element(5, numbers(16)) + element(1, names) + members);
}

std::string compressed(const std::string& variable) {
  std::vector<Bytef> packed(compressBound(static_cast<uLong>(variable.size())));
  uLongf size = packed.size();
  require(compress(packed.data(), &size, reinterpret_cast<const Bytef*>(variable.data()),
                   static_cast<uLong>(variable.size())) == Z_OK,
          "a seed can be compressed");
  return numbers(15U, static_cast<std::uint32_t>(size)) +
         std::string(reinterpret_cast<const char*>(packed.data()), size);
}

}  // namespace

void make_meta_mats(const Corpus& corpus) {
  const std::string head = std::string(124, ' ') + std::string("\0\1IM", 4);
  const std::string ape = number(2) + text("n02") + text("ape") + number(0);
  const std::string bee = array(6, 1, 1, "", small_element(2, "\1")) + text("n01") +
                          array(4, 1, 3, "", element(16, "bee")) + number(0);
  const std::string animal = number(3) + text("n00") + text("animal") + number(2);
  const std::string valid = synsets(ape + bee + animal, 3);
  corpus.add("plain", head + valid);
  corpus.add("compressed",
             head + compressed(array(6, 1, 1, "version", element(9, numbers(1.0)))) + compressed(valid));
  corpus.add("compressed-cut", (head + compressed(valid)).substr(0, 200));
  corpus.add("compressed-zeros", head + compressed(std::string(std::size_t{1} << 20, '\0')));
  corpus.add("big-endian", std::string(124, ' ') + std::string("\1\0MI", 4) + valid);
  corpus.add("header-alone", head);
  corpus.add("cut", (head + valid).substr(0, 400));
  corpus.add("same-number-twice", head + synsets(ape + ape, 2));
  corpus.add("number-not-finite",
             head + synsets(number(0.0 / 0.0) + text("n02") + text("ape") + number(0), 1));
  corpus.add("fewer-than-said", head + synsets(ape, 1'000'000));
  corpus.add("extents-overflow", head + array(2, 0x7fffffff, 0x7fffffff, "synsets", ""));
  corpus.add("extents-negative", head + array(2, -1, 1, "synsets", ""));
  corpus.add("element-of-4-gib", head + numbers(14U, 0xffffffffU));
  corpus.add(
      "half-a-pair",
      head + synsets(number(1) + array(4, 1, 1, "", element(4, "\x3d\xd8")) + text("") + number(0), 1));
}

}  // namespace secateur::fuzz
