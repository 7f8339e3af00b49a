#include "preprocess.h"

#include <algorithm>
#include <cmath>

#include "failure.h"

namespace pitome::example {
namespace {

constexpr long long kMaxResizedPixels = 1LL << 25;

std::string shown(const Size& size) {
  return std::to_string(size.width) + " x " + std::to_string(size.height);
}

// The shorter edge becomes `shortest`, or less where the longer one would exceed `longest`.
Size within(const Size& old, long long shortest, long long longest) {
  const auto shorter = static_cast<double>(std::min(old.height, old.width));
  const auto longer = static_cast<double>(std::max(old.height, old.width));
  auto exact = static_cast<double>(shortest);
  if (longer / shorter * static_cast<double>(shortest) > static_cast<double>(longest)) {
    exact = static_cast<double>(longest) * shorter / longer;
    shortest = static_cast<long long>(std::nearbyint(exact));  // halves to even, as Python rounds
  }
  if (std::min(old.height, old.width) == shortest) return old;
  const auto height = static_cast<double>(old.height), width = static_cast<double>(old.width);
  if (old.width < old.height) return {static_cast<long long>(exact * height / width), shortest};
  return {shortest, static_cast<long long>(exact * width / height)};
}

Size resized_size(const Size& old, const Resize& resize) {
  if (resize.height > 0) return {resize.height, resize.width};
  if (resize.longest_edge > 0) return within(old, resize.shortest_edge, resize.longest_edge);
  const long long longer = std::max(old.height, old.width), shorter = std::min(old.height, old.width);
  const auto made = static_cast<long long>(static_cast<double>(resize.shortest_edge * longer) /
                                           static_cast<double>(shorter));
  return old.width <= old.height ? Size{made, resize.shortest_edge} : Size{resize.shortest_edge, made};
}

// Refuses a picture by its size, before anything is allocated.
Size checked_size(const Size& old, const ImagePreprocess& steps, const std::string& path) {
  Size size = old;
  if (steps.resize) {
    size = resized_size(old, *steps.resize);
    const bool vanishes = size.height < 1 || size.width < 1;
    if (vanishes || size.height > kMaxResizedPixels / size.width) {
      throw Failure(path, "it is " + shown(old) + " and would be " + shown(size) + " resized",
                    "Crop it first");
    }
  }
  const Size last = steps.crops.empty() ? size : steps.crops.back();
  if (last.height != steps.height || last.width != steps.width) {
    throw Failure(path,
                  "it is " + shown(old) + " and comes to " + shown(last) + ", the model takes " +
                      shown({steps.height, steps.width}),
                  "Resize it first");
  }
  return size;
}

// The middle, surrounded by zeros where the picture is smaller; the odd row of zeros lies above, the odd
// column at the left.
Picture cropped(const Picture& picture, const Size& size) {
  const long long full_height = std::max(size.height, picture.height);
  const long long full_width = std::max(size.width, picture.width);
  const bool is_smaller = full_height != picture.height || full_width != picture.width;
  const long long above = is_smaller ? (full_height - picture.height + 1) / 2 : 0;
  const long long before = is_smaller ? (full_width - picture.width + 1) / 2 : 0;
  // Rounded down, also below zero: an arithmetic shift.
  const long long top = ((picture.height - size.height) >> 1) + above;
  const long long left = ((picture.width - size.width) >> 1) + before;
  Picture found{size.height, size.width, picture.channels, {}};
  for (long long y = top - above; y < top - above + size.height; ++y) {
    for (long long x = left - before; x < left - before + size.width; ++x) {
      const bool inside = y >= 0 && y < picture.height && x >= 0 && x < picture.width;
      const long long place = (y * picture.width + x) * picture.channels;
      for (long long channel = 0; channel < picture.channels; ++channel) {
        found.pixels.push_back(inside ? picture.pixels[static_cast<size_t>(place + channel)] : 0);
      }
    }
  }
  return found;
}

// Multiplied in double, normalised in float, as transformers does.
float normalised(uint8_t pixel, size_t channel, const ImagePreprocess& steps) {
  auto value = static_cast<float>(pixel);
  if (steps.rescale_factor) value = static_cast<float>(static_cast<double>(pixel) * *steps.rescale_factor);
  if (steps.mean.empty()) return value;
  return (value - static_cast<float>(steps.mean.at(channel))) / static_cast<float>(steps.std.at(channel));
}

}  // namespace

std::vector<float> prepared(const Picture& picture, const ImagePreprocess& steps, const std::string& path) {
  const Size size = checked_size({picture.height, picture.width}, steps, path);
  Picture current = in_channels(picture, steps.channels);
  if (steps.resize) current = resized(current, size.height, size.width, steps.resize->filter);
  for (const Size& crop : steps.crops) current = cropped(current, crop);
  std::vector<float> tensor;
  tensor.reserve(current.pixels.size());
  for (long long channel = 0; channel < current.channels; ++channel) {
    for (auto at = static_cast<size_t>(channel); at < current.pixels.size();
         at += static_cast<size_t>(current.channels)) {
      tensor.push_back(normalised(current.pixels[at], static_cast<size_t>(channel), steps));
    }
  }
  return tensor;
}

}  // namespace pitome::example
