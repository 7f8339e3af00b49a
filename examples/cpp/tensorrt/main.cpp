// Runs a bundle's plan on an NVIDIA GPU: pictures, or raw tensors, to embeddings.
#include "arguments.h"
#include "engine.h"

namespace {

constexpr const char* kHelp = R"(run_plan BUNDLE PICTURE.ppm... [OPTIONS]
run_plan BUNDLE --tensor NAME=FILE... [OPTIONS]

Prints one line of numbers for each input. Pictures are binary PPM or PGM, and are prepared as the bundle's
manifest says. A tensor's file holds its numbers, little-endian, of as many inputs as its length says.

  --tensor NAME=FILE  an input of the graph; give each of them
  --merge-path NAME   a plan whose merges are by function or plugin [function, where there is one]
  --precision NAME    of the graph that the plan was built from [fp16]
  --graph ROLE        which graph of several [the one that has the input]
  --output NAME       which output [the first that has one vector for each input]
  --save FILE         write the numbers (float32) there instead
  --allow-random      run a bundle of random weights too
)";

using pitome::example::Arguments;

pitome::example::Tensor run(const pitome::example::Manifest& manifest,
                            const pitome::example::GraphRecord& graph,
                            const pitome::example::TensorRecord& output,
                            const std::vector<pitome::example::Tensor>& inputs, const Arguments& arguments) {
  pitome::example::EngineOptions options;
  options.precision = arguments.precision;
  if (const auto given = arguments.own.find("--merge-path"); given != arguments.own.end()) {
    options.merge_path = given->second;
  }
  return pitome::example::run_plan(manifest, graph, output, inputs, options);
}

}  // namespace

int main(int count, char** words) {
  Arguments defaults;
  defaults.precision = "fp16";
  return pitome::example::run_program(count, words, defaults, {"--merge-path"}, kHelp, run);
}
