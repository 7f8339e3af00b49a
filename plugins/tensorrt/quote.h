// Foreign text and numbers as they appear in messages.
#pragma once

#include <NvInferRuntime.h>

#include <cstdio>
#include <cstring>
#include <string>

namespace pitome {

constexpr size_t kQuotedCharacters = 48;

// `size` bytes in quotes: printable ASCII as it is, the rest as \xNN; a long text is cut.
inline std::string quoted(const char* text, size_t size) {
  std::string result = "'";
  for (size_t index = 0; index < size; ++index) {
    if (index == kQuotedCharacters) return result + "...'";
    auto character = static_cast<unsigned char>(text[index]);
    if (character >= 0x20 && character < 0x7f) {
      result += text[index];
    } else {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", character);
      result += escaped;
    }
  }
  return result + "'";
}

// A text that ends with a NUL.
inline std::string quoted(const char* text) { return quoted(text, strnlen(text, kQuotedCharacters + 1)); }

inline std::string to_text(const nvinfer1::Dims& dims) {
  std::string result = "[";
  for (int32_t index = 0; index < dims.nbDims && index < nvinfer1::Dims::MAX_DIMS; ++index) {
    if (index > 0) result += ", ";
    result += std::to_string(dims.d[index]);
  }
  return result + "]";
}

}  // namespace pitome
