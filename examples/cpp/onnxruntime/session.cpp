#include "session.h"

#include <cstdio>
#include <cstring>
#include <memory>

// The functions of onnxruntime are looked up below, where a library that is too old can be named.
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include "failure.h"
#include "machine.h"

namespace pitome::example {
namespace {

constexpr const char* kWithout = "Give --native 0: merges then run by the function that the file carries";

void start_onnxruntime() {
  const OrtApiBase* base = OrtGetApiBase();
  const OrtApi* api = base->GetApi(ORT_API_VERSION);
  if (api == nullptr) {
    throw Failure("running a bundle",
                  std::string("onnxruntime ") + base->GetVersionString() +
                      " is older than the headers of 1." + std::to_string(ORT_API_VERSION) +
                      " that this program was compiled with",
                  "Install a newer onnxruntime, or compile with the headers of yours");
  }
  Ort::InitApi(api);
}

// Whether this machine and this onnxruntime can load the library, before they do.
void check_library(const NativeRecord& library) {
  check_machine(library, kWithout);
  const std::string wanted = "1." + std::to_string(library.onnxruntime_api);
  const std::string version = OrtGetApiBase()->GetVersionString();
  if (is_older(version, wanted)) {
    throw Failure("the library " + library.file.name,
                  "it needs onnxruntime " + wanted + ", this is " + version, kWithout);
  }
}

const OnnxRecord& chosen_file(const GraphRecord& graph, const std::string& precision) {
  std::vector<std::string> precisions;
  for (const OnnxRecord& onnx : graph.onnx) {
    if (onnx.inlined) continue;
    if (onnx.precision == precision) return onnx;
    precisions.push_back(onnx.precision);
  }
  throw Failure("--precision " + precision, "the graph is there in " + listed(precisions),
                "Choose one of them");
}

ONNXTensorElementDataType element_type(const std::string& dtype) {
  if (dtype == "int64") return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
  if (dtype == "int32") return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
}

// onnxruntime's view of a tensor; it copies nothing, so the tensor has to outlive it.
Ort::Value view(const Tensor& tensor) {
  const std::vector<int64_t> shape(tensor.shape.begin(), tensor.shape.end());
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  auto* numbers = const_cast<char*>(tensor.bytes.data());  // inputs are read only
  return Ort::Value::CreateTensor(memory, numbers, tensor.bytes.size(), shape.data(), shape.size(),
                                  element_type(tensor.dtype));
}

Tensor copied(const Ort::Value& value, const TensorRecord& record) {
  const auto info = value.GetTensorTypeAndShapeInfo();
  if (info.GetElementType() != element_type(record.dtype)) {
    throw Failure("the output " + record.name, "it is not " + record.dtype, "Get the bundle again");
  }
  const std::vector<int64_t> shape = info.GetShape();
  Tensor found{record.name, record.dtype, {shape.begin(), shape.end()}, {}};
  const size_t size = info.GetElementCount() * number_size(record.dtype);
  found.bytes.assign(static_cast<const char*>(value.GetTensorRawData()), size);
  return found;
}

Tensor run_checked(const Manifest& manifest, const GraphRecord& graph, const TensorRecord& output,
                   const std::vector<Tensor>& inputs, const SessionOptions& wanted) {
  Ort::Env environment(ORT_LOGGING_LEVEL_ERROR, "pitome");
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(wanted.threads);
  options.SetGraphOptimizationLevel(ORT_ENABLE_ALL);
  const NativeRecord* library = wanted.native ? manifest.library("onnxruntime") : nullptr;
  std::unique_ptr<PrivateFile> loaded;
  if (library != nullptr && graph.merges > 0) {
    check_library(*library);
    loaded = std::make_unique<PrivateFile>(read_listed(manifest.folder, library->file));
    options.RegisterCustomOpsLibrary(loaded->path().c_str());
  }
  const OnnxRecord& file = chosen_file(graph, wanted.precision);
  if (file.has_external_data) {
    throw Failure(file.file.name, "its weights lie in another file, which this example does not load",
                  "Open the file by its path, after checking both digests");
  }
  const std::string model = read_listed(manifest.folder, file.file);
  Ort::Session session(environment, model.data(), model.size(), options);
  std::fprintf(stderr, "%s of %s, onnxruntime %s, %d threads, merges by %s\n", file.file.name.c_str(),
               manifest.model.c_str(), OrtGetApiBase()->GetVersionString(), wanted.threads,
               graph.merges == 0 ? "nothing: there are none"
               : loaded          ? "the operator library"
                                 : "the function");

  std::vector<const char*> names;
  std::vector<Ort::Value> values;
  for (const Tensor& tensor : inputs) {
    names.push_back(tensor.name.c_str());
    values.push_back(view(tensor));
  }
  const char* wanted_name = output.name.c_str();
  const auto found =
      session.Run(Ort::RunOptions(), names.data(), values.data(), values.size(), &wanted_name, 1);
  return copied(found.front(), output);
}

}  // namespace

Tensor run_graph(const Manifest& manifest, const GraphRecord& graph, const TensorRecord& output,
                 const std::vector<Tensor>& inputs, const SessionOptions& options) {
  start_onnxruntime();
  try {
    return run_checked(manifest, graph, output, inputs, options);
  } catch (const Ort::Exception& error) {
    throw Failure("running the graph " + graph.name + " of " + manifest.folder,
                  std::string("onnxruntime says: ") + error.what(),
                  "Get the bundle again, or a smaller batch");
  }
}

}  // namespace pitome::example
