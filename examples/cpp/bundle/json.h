// JSON as pitome writes it. A program of yours takes the reader that it has; this one needs no package.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pitome::example {

class Json {
 public:
  using List = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;
  using Value = std::variant<std::nullptr_t, bool, double, std::string, List, Object>;

  Json() = default;
  explicit Json(Value value) : value_(std::move(value)) {}

  // The value of a document of UTF-8. Throws Failure where it is not JSON, or names a key twice.
  static Json parse(std::string_view document, const std::string& file);

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool is_number() const { return std::holds_alternative<double>(value_); }
  // Each of these throws Failure where the value is another one; `key` is for its message.
  bool boolean(const std::string& key) const { return as<bool>(key, "true or false"); }
  double number(const std::string& key) const { return as<double>(key, "a number"); }
  const std::string& text(const std::string& key) const { return as<std::string>(key, "a text"); }
  const List& list(const std::string& key) const { return as<List>(key, "a list"); }
  const Object& object(const std::string& key) const { return as<Object>(key, "an object"); }
  // A whole number from 0 to 2^53.
  long long integer(const std::string& key) const;
  // The value of one key of an object; throws Failure where it has none.
  const Json& operator[](const std::string& key) const;

 private:
  [[noreturn]] static void misfit(const std::string& key, const std::string& wanted);

  template <typename Type>
  const Type& as(const std::string& key, const char* wanted) const {
    const Type* found = std::get_if<Type>(&value_);
    if (found == nullptr) misfit(key, wanted);
    return *found;
  }

  Value value_ = nullptr;
};

}  // namespace pitome::example
