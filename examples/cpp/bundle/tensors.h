// What goes into a graph and what comes out of it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "manifest.h"

namespace pitome::example {

struct Tensor {
  std::string name;
  std::string dtype;
  std::vector<long long> shape;
  // The numbers, little-endian, without gaps.
  std::string bytes;
};

// Bytes of one number of that type.
size_t number_size(const std::string& dtype);
// How many numbers a shape has.
long long count_of(const std::vector<long long>& shape);

// Pictures as the graph's only input, one after the other in a batch. Throws Failure.
std::vector<Tensor> tensors_of_pictures(const Manifest& manifest, const GraphRecord& graph,
                                        const std::vector<std::string>& paths);

// Raw files of numbers as the graph's inputs, (name, path) each; the first size comes from the file's length.
// What may be left out is filled with zeros. Throws Failure where a number has no meaning for the model.
std::vector<Tensor> tensors_of_files(const GraphRecord& graph,
                                     const std::vector<std::pair<std::string, std::string>>& files);

// The graph's output that a user wants: by name, or the one that has one vector for each input.
const TensorRecord& wanted_output(const GraphRecord& graph, const std::optional<std::string>& name);

// One line of numbers for each input of the batch, each with the digits that tell it from its neighbours.
void print_rows(const Tensor& tensor);

}  // namespace pitome::example
