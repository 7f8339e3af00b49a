#include "resize.h"

#include <algorithm>
#include <cmath>

#include "failure.h"

namespace pitome::example {
namespace {

constexpr int kFractionBits = 22;  // 32 bits less 8 of the pixel and 2 for sums beyond white

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming(double x) {
  x = std::abs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= M_PI;
  return std::sin(x) / x * (0.54f + 0.46f * std::cos(x));  // of float32 in Pillow, too
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= M_PI;
  return std::sin(x) / x;
}

double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Kernel {
  double (*value)(double);
  double reach;
};

Kernel kernel(Filter filter) {
  switch (filter) {
    case Filter::lanczos:
      return {lanczos, 3.0};
    case Filter::bilinear:
      return {bilinear, 1.0};
    case Filter::bicubic:
      return {bicubic, 2.0};
    case Filter::box:
      return {box, 0.5};
    case Filter::hamming:
      return {hamming, 1.0};
    case Filter::nearest:
      break;
  }
  throw Failure("a filter", "it is none of Pillow's", "Get the bundle again");
}

// What one new pixel is made of: weights of old ones from `first` on.
struct Weights {
  long long first;
  std::vector<int> values;
};

std::vector<Weights> weights(long long old_size, long long new_size, const Kernel& kernel) {
  const double scale = static_cast<double>(old_size) / static_cast<double>(new_size);
  const double stretch = std::max(scale, 1.0);
  const double reach = kernel.reach * stretch;
  std::vector<Weights> found;
  for (long long at = 0; at < new_size; ++at) {
    const double centre = (static_cast<double>(at) + 0.5) * scale;
    const auto first = std::max(static_cast<long long>(centre - reach + 0.5), 0LL);
    const auto last = std::min(static_cast<long long>(centre + reach + 0.5), old_size);
    std::vector<double> exact;
    double sum = 0.0;
    for (long long old = first; old < last; ++old) {
      exact.push_back(kernel.value((static_cast<double>(old) - centre + 0.5) * (1.0 / stretch)));
      sum += exact.back();
    }
    Weights made{first, {}};
    for (double value : exact) {
      const double fixed = (sum != 0.0 ? value / sum : value) * (1 << kFractionBits);
      made.values.push_back(static_cast<int>(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
    }
    found.push_back(std::move(made));
  }
  return found;
}

uint8_t weighted(const uint8_t* first, long long step, const std::vector<int>& values) {
  int sum = 1 << (kFractionBits - 1);
  for (size_t at = 0; at < values.size(); ++at) sum += first[static_cast<long long>(at) * step] * values[at];
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

// New pixels along one axis, whose neighbours lie `step` bytes apart.
Picture along(const Picture& picture, long long height, long long width, const Kernel& kernel, bool rows) {
  const std::vector<Weights> made =
      rows ? weights(picture.height, height, kernel) : weights(picture.width, width, kernel);
  Picture found{height, width, picture.channels, {}};
  found.pixels.reserve(static_cast<size_t>(height * width * picture.channels));
  const long long line = picture.width * picture.channels;
  for (long long y = 0; y < height; ++y) {
    for (long long x = 0; x < width; ++x) {
      const Weights& here = made[static_cast<size_t>(rows ? y : x)];
      const long long begin =
          rows ? here.first * line + x * picture.channels : y * line + here.first * picture.channels;
      for (long long channel = 0; channel < picture.channels; ++channel) {
        const uint8_t* first = &picture.pixels[static_cast<size_t>(begin + channel)];
        found.pixels.push_back(weighted(first, rows ? line : picture.channels, here.values));
      }
    }
  }
  return found;
}

// The old pixel of each new one. Summed up as Pillow does: a product would round otherwise.
std::vector<long long> nearest_places(long long old_size, long long new_size) {
  const double step = static_cast<double>(old_size) / static_cast<double>(new_size);
  std::vector<long long> found;
  double place = step * 0.5;
  for (long long at = 0; at < new_size; ++at, place += step) found.push_back(static_cast<long long>(place));
  return found;
}

Picture nearest(const Picture& picture, long long height, long long width) {
  const std::vector<long long> rows = nearest_places(picture.height, height);
  const std::vector<long long> columns = nearest_places(picture.width, width);
  Picture found{height, width, picture.channels, {}};
  for (long long row : rows) {
    for (long long column : columns) {
      for (long long channel = 0; channel < picture.channels; ++channel) {
        // Where the sum came to the edge, Pillow leaves black.
        const bool inside = row < picture.height && column < picture.width;
        const long long place = (row * picture.width + column) * picture.channels + channel;
        found.pixels.push_back(inside ? picture.pixels[static_cast<size_t>(place)] : 0);
      }
    }
  }
  return found;
}

}  // namespace

Picture resized(const Picture& picture, long long height, long long width, Filter filter) {
  if (height == picture.height && width == picture.width) return picture;
  if (filter == Filter::nearest) return nearest(picture, height, width);
  const Kernel chosen = kernel(filter);
  // The pass over rows first where the height shrinks by more than twice what the width does: so Pillow 13.
  // Older ones never do it first. Each pass rounds to 8 bits, so the order may change a pixel by one.
  const bool rows_first = height < picture.height && picture.height - height > 2 * (picture.width - width);
  Picture found = picture;
  for (const bool rows : {rows_first, !rows_first}) {
    if (rows && height != found.height) found = along(found, height, found.width, chosen, true);
    if (!rows && width != found.width) found = along(found, found.height, width, chosen, false);
  }
  return found;
}

}  // namespace pitome::example
