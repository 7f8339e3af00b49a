// A picture of 8 bits, and the one format of files that needs no library: PPM, and PGM for grey.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pitome::example {

// Pixels [height, width, channels].
struct Picture {
  long long height = 0;
  long long width = 0;
  long long channels = 0;
  std::vector<uint8_t> pixels;
};

// The picture in a binary PPM (P6) or PGM (P5) of 8 bits. Throws Failure.
//
//     convert cat.jpg cat.ppm        (ImageMagick)
//     djpeg cat.jpg > cat.ppm        (libjpeg)
Picture read_picture(const std::string& path);

// In 1, 3 or 4 channels, as Pillow converts: grey by ITU-R 601, alpha 255.
Picture in_channels(Picture picture, long long channels);

}  // namespace pitome::example
