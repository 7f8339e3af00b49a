#include "tensors.h"

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "failure.h"

namespace pitome::example {
namespace {

constexpr size_t kLargestFile = size_t{4} << 30;

std::vector<std::string> names(const std::vector<TensorRecord>& records) {
  std::vector<std::string> found;
  for (const TensorRecord& record : records) found.push_back(record.name);
  return found;
}

long long integer_at(const Tensor& tensor, size_t at) {
  if (tensor.dtype == "int32") {
    int32_t value = 0;
    std::memcpy(&value, tensor.bytes.data() + at * sizeof(value), sizeof(value));
    return value;
  }
  int64_t value = 0;
  std::memcpy(&value, tensor.bytes.data() + at * sizeof(value), sizeof(value));
  return value;
}

Tensor read_tensor(const TensorRecord& record, const std::string& path) {
  Tensor tensor{record.name, record.dtype, record.shape, read_file(path, kLargestFile)};
  tensor.shape[0] = 1;
  const size_t row = static_cast<size_t>(count_of(tensor.shape)) * number_size(record.dtype);
  if (tensor.bytes.empty() || tensor.bytes.size() % row != 0) {
    throw Failure(path,
                  "it has " + std::to_string(tensor.bytes.size()) + " bytes, and " + record.name + " has " +
                      std::to_string(row) + " (" + record.dtype + ") for each input of a batch",
                  "Write the numbers of whole inputs, one after the other");
  }
  tensor.shape[0] = static_cast<long long>(tensor.bytes.size() / row);
  return tensor;
}

// A graph computes on whatever it is given: a negative id counts from the end of a table.
void check_integers(const Tensor& tensor, const TensorRecord& record) {
  if (tensor.dtype != "int64" && tensor.dtype != "int32") return;
  const auto count = static_cast<size_t>(count_of(tensor.shape));
  const size_t row = count / static_cast<size_t>(tensor.shape[0]);
  for (size_t at = 0; at < count; ++at) {
    const long long value = integer_at(tensor, at);
    if (value < 0 || (record.below && value >= *record.below)) {
      const std::string most = record.below ? std::to_string(*record.below - 1) : "the last id";
      throw Failure("the input " + tensor.name, "it holds " + std::to_string(value),
                    "Give numbers from 0 to " + most);
    }
    if (tensor.name == "attention_mask" && at % row == 0 && value == 0) {
      throw Failure("the input attention_mask",
                    "text " + std::to_string(at / row + 1) + " begins with padding, or has no token",
                    "Pad behind the texts");
    }
  }
}

}  // namespace

size_t number_size(const std::string& dtype) {
  if (dtype == "float32" || dtype == "int32") return 4;
  if (dtype == "int64") return 8;
  throw Failure("a tensor of " + dtype, "graphs of pitome take and give float32, int32 and int64",
                "Use the example of the version of pitome that wrote the bundle");
}

long long count_of(const std::vector<long long>& shape) {
  long long count = 1;
  for (long long size : shape) count *= size;
  return count;
}

std::vector<Tensor> tensors_of_pictures(const Manifest& manifest, const GraphRecord& graph,
                                        const std::vector<std::string>& paths) {
  const TensorRecord& input = graph.inputs.front();
  if (!manifest.images || graph.inputs.size() != 1 || input.dtype != "float32") {
    throw Failure("pictures for the graph " + graph.name, "its inputs are " + listed(names(graph.inputs)),
                  "Give each as --tensor NAME=FILE");
  }
  Tensor tensor{input.name, input.dtype, input.shape, {}};
  tensor.shape[0] = static_cast<long long>(paths.size());
  for (const std::string& path : paths) {
    const std::vector<float> numbers = prepared(read_picture(path), *manifest.images, path);
    tensor.bytes.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float));
  }
  if (tensor.bytes.size() != static_cast<size_t>(count_of(tensor.shape)) * sizeof(float)) {
    throw Failure("pictures for the graph " + graph.name, "its input has another shape than model.preprocess",
                  "Get the bundle again");
  }
  return {tensor};
}

std::vector<Tensor> tensors_of_files(const GraphRecord& graph,
                                     const std::vector<std::pair<std::string, std::string>>& files) {
  const std::string asked = "running the graph " + graph.name;
  const std::string known = listed(names(graph.inputs));
  std::vector<Tensor> found;
  for (const auto& [name, path] : files) {
    const TensorRecord* record = nullptr;
    for (const TensorRecord& each : graph.inputs) record = each.name == name ? &each : record;
    if (record == nullptr)
      throw Failure("--tensor " + name, "the graph's inputs are " + known, "Name one of them");
    for (const Tensor& before : found) {
      if (before.name == name) throw Failure("--tensor " + name, "it is given twice", "Give it once");
    }
    found.push_back(read_tensor(*record, path));
    check_integers(found.back(), *record);
    if (found.back().shape[0] != found.front().shape[0]) {
      throw Failure(asked,
                    found.front().name + " has " + std::to_string(found.front().shape[0]) + " inputs, " +
                        name + " has " + std::to_string(found.back().shape[0]),
                    "Give files of the same batch");
    }
  }
  for (const TensorRecord& record : graph.inputs) {
    bool is_given = false;
    for (const Tensor& tensor : found) is_given = is_given || tensor.name == record.name;
    if (is_given) continue;
    if (!record.optional || found.empty()) {
      throw Failure(asked, "its input " + record.name + " is not given", "Give " + known);
    }
    Tensor zeros{record.name, record.dtype, record.shape, {}};
    zeros.shape[0] = found.front().shape[0];
    zeros.bytes.assign(static_cast<size_t>(count_of(zeros.shape)) * number_size(zeros.dtype), '\0');
    found.push_back(std::move(zeros));
  }
  return found;
}

const TensorRecord& wanted_output(const GraphRecord& graph, const std::optional<std::string>& name) {
  for (const TensorRecord& record : graph.outputs) {
    if (name ? record.name == *name : record.shape.size() == 2) return record;
  }
  const std::string outputs = listed(names(graph.outputs));
  if (name) throw Failure("--output " + *name, "the graph's outputs are " + outputs, "Name one of them");
  throw Failure("an embedding of the graph " + graph.name,
                "it has none: its outputs are " + outputs + ", which hold a vector for each token",
                "Choose with --output NAME, and pool them as the manifest's model.pooling says");
}

void print_rows(const Tensor& tensor) {
  const auto count = static_cast<size_t>(count_of(tensor.shape));
  const size_t row = count / static_cast<size_t>(tensor.shape[0]);
  for (size_t at = 0; at < count; ++at) {
    float value = 0;
    std::memcpy(&value, tensor.bytes.data() + at * sizeof(value), sizeof(value));
    std::printf("%.9g%c", static_cast<double>(value), (at + 1) % row == 0 ? '\n' : ' ');
  }
}

}  // namespace pitome::example
