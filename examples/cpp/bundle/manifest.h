// What of a bundle's manifest a program needs that runs its graphs. docs/bundle.md describes all of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "files.h"
#include "preprocess.h"

namespace pitome::example {

// An input or output of a graph. Sizes are -1 where they are the batch's.
struct TensorRecord {
  std::string name;
  std::string dtype;
  std::vector<long long> shape;
  bool optional = false;
  // Integers are from 0 to one less.
  std::optional<long long> below;
};

struct OnnxRecord {
  ListedFile file;
  std::string precision;
  bool inlined = false;
  bool has_external_data = false;
};

struct PlanRecord {
  ListedFile file;
  std::string backend;
  std::string backend_version;
  std::vector<std::string> targets;
  std::string precision;
  std::string merge_path;
  bool plugin_embedded = false;
};

struct GraphRecord {
  std::string name;
  std::string role;
  std::vector<TensorRecord> inputs;
  std::vector<TensorRecord> outputs;
  long long merges = 0;
  std::vector<OnnxRecord> onnx;
  std::vector<PlanRecord> plans;
};

// A library of the merge's operator. What is not said of it is empty or 0.
struct NativeRecord {
  ListedFile file;
  std::string kind;
  std::string arch;
  std::string glibc;
  long long onnxruntime_api = 0;
};

struct Manifest {
  std::string folder;
  std::string model;
  bool random_weights = false;
  // How images are prepared; none for a model of texts.
  std::optional<ImagePreprocess> images;
  std::vector<GraphRecord> graphs;
  std::vector<NativeRecord> native;

  // Reads the manifest of a bundle's folder, its digest first. Throws Failure.
  static Manifest read(const std::string& folder);

  // The graph of that role; without one the first that has this input. Throws Failure where there is none.
  const GraphRecord& graph(const std::optional<std::string>& role,
                           const std::optional<std::string>& input) const;
  // The library for "onnxruntime" or "tensorrt"; null where the bundle has none.
  const NativeRecord* library(const std::string& kind) const;
};

// "a, b and c", for messages.
std::string listed(const std::vector<std::string>& names);

}  // namespace pitome::example
