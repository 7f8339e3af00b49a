// The resize of 8 bits of Pillow 13, step by step: the same sums in the same fixed-point numbers, so the same
// pixels.
#pragma once

#include "picture.h"

namespace pitome::example {

// Pillow's numbers of its filters.
enum class Filter { nearest = 0, lanczos = 1, bilinear = 2, bicubic = 3, box = 4, hamming = 5 };

Picture resized(const Picture& picture, long long height, long long width, Filter filter);

}  // namespace pitome::example
