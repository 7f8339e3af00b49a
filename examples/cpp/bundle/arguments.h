// The command line that both programs have.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "manifest.h"
#include "tensors.h"

namespace pitome::example {

struct Arguments {
  std::string bundle;
  std::vector<std::string> pictures;
  // Input -> file of raw numbers.
  std::vector<std::pair<std::string, std::string>> tensors;
  std::string precision;
  std::optional<std::string> graph;
  std::optional<std::string> output;
  std::optional<std::string> save;
  bool allow_random = false;
  // Of this program alone, by name; without an entry where it is not given.
  std::map<std::string, std::string> own;

  // Throws Failure for what is not known or not whole.
  static Arguments parse(int count, char** words, const Arguments& defaults,
                         const std::vector<std::string>& own);
  // An own option that is a whole number from `least` on; `otherwise` where it is not given. Throws Failure.
  long long number(const std::string& name, long long least, long long otherwise) const;
};

// Computes one output of a graph for these inputs.
using Run = std::function<Tensor(const Manifest&, const GraphRecord&, const TensorRecord& output,
                                 const std::vector<Tensor>& inputs, const Arguments&)>;

// All of a program's main: reads arguments and bundle, prepares inputs, runs, and prints or writes the
// result. Returns 0, or 2 after one message on stderr.
int run_program(int count, char** words, const Arguments& defaults, const std::vector<std::string>& own,
                const std::string& help, const Run& run);

}  // namespace pitome::example
