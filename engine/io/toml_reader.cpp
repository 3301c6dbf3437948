#include "io/toml_reader.h"

#include <toml++/toml.h>

#include <optional>
#include <string>

#include "io/toml_limits.h"
#include "secateur/core/error.h"

namespace secateur {
namespace {

class TomlReader {
 public:
  explicit TomlReader(std::string_view name) : name_(name) {}

  void read_table(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string path =
          prefix.empty() ? std::string(key.str()) : prefix + "." + std::string(key.str());
      if (key.str().find('.') != std::string_view::npos) {
        fail_at(key.source(), fmt::format("the key \"{}\" holds a '.'; write a section instead", key.str()));
      }
      if (const toml::table* section = node.as_table()) {
        read_table(*section, path);
        continue;
      }
      RecipeValue value = node.is_array() ? read_list(path, *node.as_array()) : read_scalar(path, node);
      try {
        recipe_.set(path, std::move(value), fmt::format("{}:{}", name_, node.source().begin.line));
      } catch (const Error& error) {
        fail_at(key.source(), error.what());
      }
    }
  }

  Recipe take() { return std::move(recipe_); }

  [[noreturn]] void fail_at(const toml::source_region& place, std::string_view reason) const {
    fail("{}:{}:{}: {}", name_, place.begin.line, place.begin.column, reason);
  }

 private:
  [[nodiscard]] RecipeValue read_scalar(const std::string& path, const toml::node& node) const {
    if (const auto* integer = node.as_integer()) return integer->get();
    if (const auto* real = node.as_floating_point()) return real->get();
    if (const auto* boolean = node.as_boolean()) return boolean->get();
    if (const auto* text = node.as_string()) return text->get();
    fail_at(node.source(), fmt::format("{}: expected a number, a boolean, a string or a list of them, got {}",
                                       path, described(node)));
  }

  [[nodiscard]] RecipeValue read_list(const std::string& path, const toml::array& array) const {
    if (auto texts = elements<std::string>(array)) return *std::move(texts);
    if (auto integers = elements<std::int64_t>(array)) return *std::move(integers);
    if (auto reals = elements<double>(array)) return *std::move(reals);
    fail_at(array.source(),
            fmt::format("{}: the elements of a list must be all numbers or all strings", path));
  }

  // Nothing unless each element is a T; integers are real numbers too.
  template <class T>
  [[nodiscard]] static std::optional<std::vector<T>> elements(const toml::array& array) {
    std::vector<T> values;
    for (const toml::node& node : array) {
      if constexpr (std::is_same_v<T, double>) {
        if (const auto* integer = node.as_integer()) {
          values.push_back(static_cast<double>(integer->get()));
          continue;
        }
      }
      const auto* element = node.as<T>();
      if (element == nullptr) return std::nullopt;
      values.push_back(element->get());
    }
    return values;
  }

  [[nodiscard]] static std::string_view described(const toml::node& node) {
    return node.is_array() ? "a list" : node.is_table() ? "a table" : "a date or time";
  }

  std::string name_;
  Recipe recipe_;
};

}  // namespace

Recipe read_toml(std::string_view text, std::string_view name) {
  check_toml_limits(text, name);
  TomlReader reader(name);
  try {
    reader.read_table(toml::parse(text), "");
  } catch (const toml::parse_error& error) {
    reader.fail_at(error.source(), error.description());
  }
  return reader.take();
}

}  // namespace secateur
