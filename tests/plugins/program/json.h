// Just enough JSON to print.
#pragma once

#include <cstdio>
#include <string>

inline std::string json(const std::string& text) {
  std::string result = "\"";
  for (char signed_character : text) {
    auto character = static_cast<unsigned char>(signed_character);
    if (character < 0x20 || character >= 0x7f || character == '"' || character == '\\') {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", character);
      result += escaped;
    } else {
      result += signed_character;
    }
  }
  return result + "\"";
}

inline std::string json(const char* text) { return text == nullptr ? "null" : json(std::string(text)); }
