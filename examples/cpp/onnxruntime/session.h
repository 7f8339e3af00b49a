// A graph of a bundle in onnxruntime, on the CPU.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "manifest.h"
#include "tensors.h"

namespace pitome::example {

struct SessionOptions {
  std::string precision;
  // The merge's own operator: the bundle's library; else merges run by the function in the file.
  bool native = true;
  int threads = 2;
};

// Runs the graph once for a batch. A program of yours keeps the session; everything before Run is done once.
//
// Throws Failure: a file that is missing or another one, a library that this machine can't load, or what
// onnxruntime says.
Tensor run_graph(const Manifest& manifest, const GraphRecord& graph, const TensorRecord& output,
                 const std::vector<Tensor>& inputs, const SessionOptions& options);

}  // namespace pitome::example
