// Where a refusal of the C interface says why: what was asked, what was found, and what to do.
#pragma once

#include <pitome_merge.h>

#include <cstdarg>
#include <cstdio>

namespace pitome {

class Message {
 public:
  Message(char* text, size_t size) : text_(text), size_(size) {}

  __attribute__((format(printf, 2, 3))) int32_t refuse(const char* format, ...) const {
    if (text_ != nullptr && size_ > 0) {
      va_list arguments;
      va_start(arguments, format);
      vsnprintf(text_, size_, format, arguments);
      va_end(arguments);
    }
    return PITOME_INVALID;
  }

 private:
  char* text_;
  size_t size_;
};

}  // namespace pitome
