// A plan of a bundle in TensorRT or TensorRT-RTX, whichever this program was compiled with.
#pragma once

#include <string>
#include <vector>

#include "manifest.h"
#include "tensors.h"

namespace pitome::example {

struct EngineOptions {
  std::string precision;
  // "function" or "plugin"; empty: a plan without the plugin where there is one.
  std::string merge_path;
};

// Runs a plan of the graph once for a batch. A program of yours keeps engine, context and buffers, has one
// context for each stream, and replays a CUDA graph.
//
// Throws Failure: no plan for this backend, version or GPU, a file that is missing or another one, a batch
// beyond the plan's profile, no GPU, or what TensorRT says.
Tensor run_plan(const Manifest& manifest, const GraphRecord& graph, const TensorRecord& output,
                const std::vector<Tensor>& inputs, const EngineOptions& options);

}  // namespace pitome::example
