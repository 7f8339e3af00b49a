#include "json.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "failure.h"

namespace pitome::example {
namespace {

constexpr int kDeepest = 64;
constexpr double kLargestInteger = 9007199254740992.0;  // 2^53: beyond, a double skips whole numbers

class Parser {
 public:
  Parser(std::string_view document, const std::string& file) : rest_(document), all_(document), file_(file) {}

  Json document() {
    Json found = value(0);
    skip_blanks();
    if (!rest_.empty()) fail("something follows the value");
    return found;
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    const std::string place = std::to_string(all_.size() - rest_.size());
    throw Failure(file_, "it is not JSON: " + reason + " at byte " + place, "Get the bundle again");
  }

  void skip_blanks() {
    const size_t count = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(count == std::string_view::npos ? rest_.size() : count);
  }

  bool take(std::string_view word) {
    if (rest_.substr(0, word.size()) != word) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  void expect(std::string_view word) {
    if (!take(word)) fail("no " + std::string(word));
  }

  Json value(int depth) {
    if (depth > kDeepest) fail("it is too deep");
    skip_blanks();
    if (take("null")) return Json();
    if (take("true")) return Json(Json::Value(true));
    if (take("false")) return Json(Json::Value(false));
    if (take("{")) return object(depth + 1);
    if (take("[")) return list(depth + 1);
    if (take("\"")) return Json(Json::Value(text()));
    return number();
  }

  Json object(int depth) {
    Json::Object found;
    skip_blanks();
    if (take("}")) return Json(Json::Value(std::move(found)));
    do {
      skip_blanks();
      expect("\"");
      std::string key = text();
      skip_blanks();
      expect(":");
      Json member = value(depth);
      if (!found.emplace(key, std::move(member)).second) fail("the key " + key + " stands there twice");
      skip_blanks();
    } while (take(","));
    expect("}");
    return Json(Json::Value(std::move(found)));
  }

  Json list(int depth) {
    Json::List found;
    skip_blanks();
    if (take("]")) return Json(Json::Value(std::move(found)));
    do {
      found.push_back(value(depth));
      skip_blanks();
    } while (take(","));
    expect("]");
    return Json(Json::Value(std::move(found)));
  }

  Json number() {
    const size_t length = std::min(rest_.find_first_not_of("+-.0123456789eE"), rest_.size());
    const std::string written(rest_.substr(0, length));
    char* end = nullptr;
    const double found = std::strtod(written.c_str(), &end);
    const bool begins = !written.empty() && (written[0] == '-' || (written[0] >= '0' && written[0] <= '9'));
    if (!begins || *end != '\0' || !std::isfinite(found)) fail("no value");
    rest_.remove_prefix(length);
    return Json(Json::Value(found));
  }

  std::string text() {
    std::string found;
    while (!take("\"")) {
      if (rest_.empty() || static_cast<unsigned char>(rest_[0]) < 0x20) fail("a text has no end");
      const char next = rest_[0];
      rest_.remove_prefix(1);
      if (next == '\\') {
        escaped(found);
      } else {
        found += next;
      }
    }
    return found;
  }

  void escaped(std::string& found) {
    static constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    if (take("u")) return append_utf8(found, code_point());
    const size_t place = rest_.empty() ? std::string_view::npos : kLetters.find(rest_[0]);
    if (place == std::string_view::npos) fail("an unknown escape");
    rest_.remove_prefix(1);
    found += kMeanings[place];
  }

  uint32_t code_point() {
    const uint32_t first = four_digits();
    if (first < 0xD800 || first > 0xDFFF) return first;
    if (first > 0xDBFF || !take("\\u")) fail("half a character");
    const uint32_t second = four_digits();
    if (second < 0xDC00 || second > 0xDFFF) fail("half a character");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }

  uint32_t four_digits() {
    const std::string digits(rest_.substr(0, 4));
    if (digits.size() < 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
      fail("no four hexadecimal digits");
    }
    rest_.remove_prefix(4);
    return static_cast<uint32_t>(std::stoul(digits, nullptr, 16));
  }

  static void append_utf8(std::string& text, uint32_t point) {
    const int more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static constexpr uint32_t kFirst[] = {0x00, 0xC0, 0xE0, 0xF0};
    text += static_cast<char>(kFirst[more] | (point >> (6 * more)));
    for (int left = more - 1; left >= 0; --left) {
      text += static_cast<char>(0x80 | ((point >> (6 * left)) & 0x3F));
    }
  }

  std::string_view rest_;
  const std::string_view all_;
  const std::string& file_;
};

}  // namespace

Json Json::parse(std::string_view document, const std::string& file) {
  return Parser(document, file).document();
}

long long Json::integer(const std::string& key) const {
  const double found = number(key);
  if (found < 0 || found > kLargestInteger || found != std::floor(found)) misfit(key, "a whole number");
  return static_cast<long long>(found);
}

const Json& Json::operator[](const std::string& key) const {
  const Object& members = object("what holds " + key);
  const auto found = members.find(key);
  if (found == members.end()) misfit(key, "in it");
  return found->second;
}

void Json::misfit(const std::string& key, const std::string& wanted) {
  throw Failure("manifest.json", "its " + key + " is not " + wanted,
                "Use the example of the same version of pitome as the bundle's");
}

}  // namespace pitome::example
