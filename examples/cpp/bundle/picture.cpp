#include "picture.h"

#include <string_view>

#include "failure.h"
#include "files.h"

namespace pitome::example {
namespace {

constexpr long long kMaxPixels = 178'956'970;  // where pitome, as Pillow, takes a file for a bomb
constexpr size_t kLargestFile = size_t{1} << 30;
constexpr const char* kGive = "Give a binary PPM or PGM of 8 bits";

bool is_blank(char letter) { return std::string_view(" \t\r\n\v\f").find(letter) != std::string_view::npos; }

// The next number of a header, after blanks and comments.
long long header_number(std::string_view content, size_t& at, const std::string& path) {
  while (at < content.size() && (is_blank(content[at]) || content[at] == '#')) {
    if (content[at] == '#') {
      while (at < content.size() && content[at] != '\n' && content[at] != '\r') ++at;
    } else {
      ++at;
    }
  }
  long long number = 0;
  const size_t begin = at;
  for (; at < content.size() && content[at] >= '0' && content[at] <= '9'; ++at) {
    if (number > kMaxPixels) throw Failure(path, "it is too large", "Give a smaller one");
    number = 10 * number + (content[at] - '0');
  }
  if (at == begin) throw Failure(path, "its header is damaged", kGive);
  return number;
}

}  // namespace

Picture read_picture(const std::string& path) {
  const std::string content = read_file(path, kLargestFile);
  const std::string kind = content.substr(0, 2);
  if (kind != "P6" && kind != "P5") throw Failure(path, "it is neither a binary PPM nor a PGM", kGive);
  Picture picture;
  picture.channels = kind == "P6" ? 3 : 1;
  size_t at = 2;
  picture.width = header_number(content, at, path);
  picture.height = header_number(content, at, path);
  if (const long long white = header_number(content, at, path); white != 255) {
    throw Failure(path, "its white is " + std::to_string(white) + ", not 255", kGive);
  }
  if (picture.width < 1 || picture.height < 1) throw Failure(path, "it has no pixels", kGive);
  if (picture.width * picture.height > kMaxPixels)
    throw Failure(path, "it is too large", "Give a smaller one");
  ++at;  // one blank, and the pixels begin
  const auto wanted = static_cast<size_t>(picture.width * picture.height * picture.channels);
  if (content.size() < at || content.size() - at < wanted)
    throw Failure(path, "it is cut off", "Give a whole one");
  if (content.size() - at > wanted) {
    throw Failure(path, "something follows its pixels, and of several pictures only one would be read",
                  "Give a file of one picture");
  }
  picture.pixels.assign(content.begin() + static_cast<std::ptrdiff_t>(at), content.end());
  return picture;
}

Picture in_channels(Picture picture, long long channels) {
  if (picture.channels == channels) return picture;
  Picture found{picture.height, picture.width, channels, {}};
  const long long count = picture.height * picture.width;
  found.pixels.reserve(static_cast<size_t>(count * channels));
  for (long long at = 0; at < count; ++at) {
    const uint8_t* from = &picture.pixels[static_cast<size_t>(at * picture.channels)];
    if (channels == 1) {
      const int grey = (from[0] * 19595 + from[1] * 38470 + from[2] * 7471 + 0x8000) >> 16;
      found.pixels.push_back(static_cast<uint8_t>(grey));
      continue;
    }
    for (int channel = 0; channel < 3; ++channel)
      found.pixels.push_back(from[picture.channels == 1 ? 0 : channel]);
    if (channels == 4) found.pixels.push_back(255);
  }
  return found;
}

}  // namespace pitome::example
