// Runs a bundle's graph on the CPU: pictures, or raw tensors, to embeddings.
#include "arguments.h"
#include "failure.h"
#include "session.h"

namespace {

constexpr const char* kHelp = R"(run_bundle BUNDLE PICTURE.ppm... [OPTIONS]
run_bundle BUNDLE --tensor NAME=FILE... [OPTIONS]

Prints one line of numbers for each input. Pictures are binary PPM or PGM, and are prepared as the bundle's
manifest says. A tensor's file holds its numbers, little-endian, of as many inputs as its length says.

  --tensor NAME=FILE  an input of the graph; give each of them
  --native 1 | 0      merges by the bundle's operator library, where it has one, or by the function [1]
  --precision NAME    which file of the graph [fp32]
  --graph ROLE        which graph of several [the one that has the input]
  --output NAME       which output [the first that has one vector for each input]
  --threads N         of onnxruntime [2]
  --save FILE         write the numbers (float32) there instead
  --allow-random      run a bundle of random weights too
)";

using pitome::example::Arguments;

pitome::example::Tensor run(const pitome::example::Manifest& manifest,
                            const pitome::example::GraphRecord& graph,
                            const pitome::example::TensorRecord& output,
                            const std::vector<pitome::example::Tensor>& inputs, const Arguments& arguments) {
  pitome::example::SessionOptions options;
  options.precision = arguments.precision;
  options.threads = static_cast<int>(arguments.number("--threads", 1, 2));
  const long long native = arguments.number("--native", 0, 1);
  if (native > 1) throw pitome::example::Failure("--native", "it is neither 1 nor 0", "See --help");
  options.native = native == 1;
  return pitome::example::run_graph(manifest, graph, output, inputs, options);
}

}  // namespace

int main(int count, char** words) {
  Arguments defaults;
  defaults.precision = "fp32";
  return pitome::example::run_program(count, words, defaults, {"--native", "--threads"}, kHelp, run);
}
