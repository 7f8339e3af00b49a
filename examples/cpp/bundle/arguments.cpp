#include "arguments.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "failure.h"

namespace pitome::example {
namespace {

constexpr const char* kSeeHelp = "See --help";
constexpr const char* kPictures = "pixel_values";  // the input of every graph of images

Arguments checked(Arguments found) {
  if (found.bundle.empty()) throw Failure("a bundle", "none is named", kSeeHelp);
  if (found.pictures.empty() == found.tensors.empty()) {
    throw Failure("an input", found.tensors.empty() ? "none is named" : "there are pictures and tensors",
                  "Name pictures, or each input of the graph as --tensor NAME=FILE");
  }
  return found;
}

void set(Arguments& found, const std::string& name, const std::string& value,
         const std::vector<std::string>& own) {
  if (name == "--tensor") {
    const size_t middle = value.find('=');
    if (middle == std::string::npos) throw Failure("--tensor " + value, "it is not NAME=FILE", kSeeHelp);
    found.tensors.emplace_back(value.substr(0, middle), value.substr(middle + 1));
  } else if (name == "--precision") {
    found.precision = value;
  } else if (name == "--graph") {
    found.graph = value;
  } else if (name == "--output") {
    found.output = value;
  } else if (name == "--save") {
    found.save = value;
  } else if (std::find(own.begin(), own.end(), name) != own.end()) {
    found.own[name] = value;
  } else {
    throw Failure(name, "there is no such option", kSeeHelp);
  }
}

void answer(const Arguments& arguments, const Run& run) {
  const Manifest manifest = Manifest::read(arguments.bundle);
  if (manifest.random_weights && !arguments.allow_random) {
    throw Failure("the bundle " + arguments.bundle,
                  "its weights are random: they stand for weights that could not be fetched, and its answers "
                  "mean nothing",
                  "Give --allow-random, to try out a program");
  }
  const std::optional<std::string> input =
      arguments.tensors.empty() ? std::string(kPictures) : arguments.tensors.front().first;
  const GraphRecord& graph = manifest.graph(arguments.graph, input);
  const TensorRecord& output = wanted_output(graph, arguments.output);
  const std::vector<Tensor> inputs = arguments.pictures.empty()
                                         ? tensors_of_files(graph, arguments.tensors)
                                         : tensors_of_pictures(manifest, graph, arguments.pictures);
  const Tensor found = run(manifest, graph, output, inputs, arguments);
  if (found.dtype != "float32") {
    throw Failure("the output " + found.name, "it is " + found.dtype, "Choose another with --output");
  }
  if (arguments.save) {
    write_file(*arguments.save, found.bytes);
  } else {
    print_rows(found);
  }
}

}  // namespace

Arguments Arguments::parse(int count, char** words, const Arguments& defaults,
                           const std::vector<std::string>& own) {
  Arguments found = defaults;
  for (int at = 1; at < count; ++at) {
    const std::string word = words[at];
    if (word == "--allow-random") {
      found.allow_random = true;
    } else if (word.rfind("--", 0) == 0) {
      if (at + 1 == count) throw Failure(word, "it has no value", kSeeHelp);
      set(found, word, words[++at], own);
    } else if (found.bundle.empty()) {
      found.bundle = word;
    } else {
      found.pictures.push_back(word);
    }
  }
  return checked(found);
}

long long Arguments::number(const std::string& name, long long least, long long otherwise) const {
  const auto given = own.find(name);
  if (given == own.end()) return otherwise;
  char* end = nullptr;
  const long long value = std::strtoll(given->second.c_str(), &end, 10);
  if (given->second.empty() || *end != '\0' || value < least || value > 65536) {
    throw Failure(name + " " + given->second, "it is no number from " + std::to_string(least) + " to 65536",
                  "Give one");
  }
  return value;
}

int run_program(int count, char** words, const Arguments& defaults, const std::vector<std::string>& own,
                const std::string& help, const Run& run) {
  try {
    for (int at = 1; at < count; ++at) {
      if (std::string(words[at]) == "--help") {
        std::printf("%s", help.c_str());
        return 0;
      }
    }
    answer(Arguments::parse(count, words, defaults, own), run);
    if (std::fflush(stdout) != 0)
      throw Failure("writing the numbers", "stdout can't be written", "Use --save");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}

}  // namespace pitome::example
