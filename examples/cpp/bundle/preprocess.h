// Pictures as a model takes them, by the manifest's model.preprocess: resize, crops, rescale, normalise.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "picture.h"
#include "resize.h"

namespace pitome::example {

struct Size {
  long long height;
  long long width;
};

// Either height and width, or shortest_edge (and longest_edge); 0 where it is not said.
struct Resize {
  long long height;
  long long width;
  long long shortest_edge;
  long long longest_edge;
  Filter filter;
};

struct ImagePreprocess {
  long long height = 0;
  long long width = 0;
  long long channels = 0;
  std::optional<Resize> resize;
  std::vector<Size> crops;
  std::optional<double> rescale_factor;
  // Empty where nothing is normalised.
  std::vector<double> mean;
  std::vector<double> std;
};

// [channels, height, width]. Throws Failure where the picture does not come to the model's size.
std::vector<float> prepared(const Picture& picture, const ImagePreprocess& steps, const std::string& path);

}  // namespace pitome::example
