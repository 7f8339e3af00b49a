#include "engine.h"

#include <NvInferRuntime.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "failure.h"
#include "machine.h"

namespace pitome::example {
namespace {

#ifdef TRT_MAJOR_RTX
constexpr const char* kBackend = "tensorrt_rtx";
constexpr const char* kLabel = "TensorRT-RTX";
#else
constexpr const char* kBackend = "tensorrt";
constexpr const char* kLabel = "TensorRT";
#endif

// Keeps errors for the message of a failure, and passes warnings on.
class Log : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override {
    if (severity <= Severity::kWARNING) std::fprintf(stderr, "%s: %s\n", kLabel, message);
    if (severity <= Severity::kERROR) last_ = message;
  }
  std::string last() const { return last_.empty() ? "it gives no reason" : last_; }

 private:
  std::string last_;
};

void check(cudaError_t status, const std::string& asked) {
  if (status != cudaSuccess)
    throw Failure(asked, cudaGetErrorString(status), "Look at the GPU and its driver");
}

std::string dotted(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

// The interfaces of two major versions differ: a call through the wrong one would crash.
void check_headers() {
  const int library = getInferLibVersion();
  if (library / 10000 != NV_TENSORRT_VERSION / 10000) {
    throw Failure("running a plan",
                  "this program was compiled with the headers of " + std::string(kLabel) + " " +
                      dotted(NV_TENSORRT_VERSION) + ", and the library that is loaded is of version " +
                      dotted(library),
                  "Compile it with the headers of that library");
  }
}

std::string compute_capability() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    const std::string reason =
        status == cudaSuccess ? "" : std::string(" (") + cudaGetErrorString(status) + ")";
    throw Failure("running a plan", "there is no NVIDIA GPU" + reason,
                  "Run the bundle's ONNX file on the CPU: examples/cpp/onnxruntime");
  }
  cudaDeviceProp properties = {};
  check(cudaGetDeviceProperties(&properties, 0), "asking the GPU what it is");
  return "sm" + std::to_string(properties.major) + std::to_string(properties.minor);
}

// Why a plan can't run here; empty where it can.
std::string misfit(const PlanRecord& plan, const EngineOptions& options, const std::string& gpu) {
  if (plan.backend != kBackend) return "it is for " + plan.backend;
  const std::string version = dotted(getInferLibVersion());
  if (plan.backend_version != version && plan.backend_version.rfind(version + ".", 0) != 0) {
    return "it was built by " + plan.backend_version + ", this is " + version;
  }
  if (std::find(plan.targets.begin(), plan.targets.end(), gpu) == plan.targets.end()) {
    return "it is for " + listed(plan.targets) + ", this GPU is " + gpu;
  }
  if (plan.precision != options.precision) return "it is " + plan.precision;
  if (!options.merge_path.empty() && plan.merge_path != options.merge_path) {
    return "its merges are by " + plan.merge_path;
  }
  return "";
}

const PlanRecord& chosen_plan(const GraphRecord& graph, const EngineOptions& options,
                              const std::string& gpu) {
  std::vector<std::string> reasons;
  const PlanRecord* found = nullptr;
  for (const PlanRecord& plan : graph.plans) {
    const std::string reason = misfit(plan, options, gpu);
    if (!reason.empty()) {
      reasons.push_back(plan.file.name + " does not do (" + reason + ")");
    } else if (found == nullptr || found->merge_path == "plugin") {
      found = &plan;
    }
  }
  if (found == nullptr) {
    throw Failure(std::string("a plan for ") + kLabel + " " + dotted(getInferLibVersion()) + " in " +
                      options.precision + " on " + gpu,
                  reasons.empty() ? "the bundle has no plans" : listed(reasons),
                  "Build one on this machine: pitome build BUNDLE --backend " + std::string(kBackend));
  }
  return *found;
}

// Memory on the GPU.
class Buffer {
 public:
  Buffer(size_t size, const std::string& name) {
    check(cudaMalloc(&pointer_, std::max<size_t>(size, 1)), "memory on the GPU for " + name);
  }
  ~Buffer() { cudaFree(pointer_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void* pointer() const { return pointer_; }

 private:
  void* pointer_ = nullptr;
};

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream on the GPU"); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// One run of an engine: its context, and the memory that it reads and writes.
class Execution {
 public:
  Execution(nvinfer1::ICudaEngine& engine, const Log& log, std::string asked)
      : engine_(engine), log_(log), asked_(std::move(asked)), context_(engine.createExecutionContext()) {
    if (context_ == nullptr) fail("there is no execution context");
  }

  void feed(const std::vector<Tensor>& inputs) {
    for (const Tensor& tensor : inputs) {
      nvinfer1::Dims shape = {};
      shape.nbDims = static_cast<int32_t>(tensor.shape.size());
      std::copy(tensor.shape.begin(), tensor.shape.end(), shape.d);
      if (!context_->setInputShape(tensor.name.c_str(), shape)) out_of_profile(tensor);
      void* pointer = bind(tensor.name, tensor.bytes.size());
      check(cudaMemcpyAsync(pointer, tensor.bytes.data(), tensor.bytes.size(), cudaMemcpyHostToDevice,
                            stream_.get()),
            "copying " + tensor.name + " to the GPU");
    }
  }

  // Every output of the engine needs a place, whether it is wanted or not.
  Tensor run(const TensorRecord& wanted) {
    Tensor found{wanted.name, wanted.dtype, {}, {}};
    const void* from = nullptr;
    for (int32_t at = 0; at < engine_.getNbIOTensors(); ++at) {
      const std::string name = engine_.getIOTensorName(at);
      if (engine_.getTensorIOMode(name.c_str()) != nvinfer1::TensorIOMode::kOUTPUT) continue;
      const nvinfer1::Dims shape = context_->getTensorShape(name.c_str());
      if (shape.nbDims < 0) fail("the shape of " + name + " is not known");
      const std::vector<long long> sizes(shape.d, shape.d + shape.nbDims);
      if (engine_.getTensorDataType(name.c_str()) != nvinfer1::DataType::kFLOAT)
        fail(name + " is not float32");
      const size_t size = static_cast<size_t>(count_of(sizes)) * number_size("float32");
      const void* pointer = bind(name, size);
      if (name == wanted.name) {
        from = pointer;
        found.shape = sizes;
        found.bytes.resize(size);
      }
    }
    if (from == nullptr) fail("it has no output " + wanted.name);
    if (!context_->enqueueV3(stream_.get())) fail("it was not enqueued");
    check(
        cudaMemcpyAsync(found.bytes.data(), from, found.bytes.size(), cudaMemcpyDeviceToHost, stream_.get()),
        "copying " + wanted.name + " from the GPU");
    check(cudaStreamSynchronize(stream_.get()), asked_);
    return found;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Failure(asked_, what + ": " + log_.last(), "Build the plan again on this machine");
  }

  [[noreturn]] void out_of_profile(const Tensor& tensor) const {
    const auto limit = [&](nvinfer1::OptProfileSelector which) {
      return std::to_string(engine_.getProfileShape(tensor.name.c_str(), 0, which).d[0]);
    };
    throw Failure(asked_ + " with a batch of " + std::to_string(tensor.shape[0]),
                  "its profile goes from " + limit(nvinfer1::OptProfileSelector::kMIN) + " to " +
                      limit(nvinfer1::OptProfileSelector::kMAX),
                  "Choose a batch within it");
  }

  void* bind(const std::string& name, size_t size) {
    buffers_.push_back(std::make_unique<Buffer>(size, name));
    void* pointer = buffers_.back()->pointer();
    if (!context_->setTensorAddress(name.c_str(), pointer)) fail("it does not take the memory of " + name);
    return pointer;
  }

  nvinfer1::ICudaEngine& engine_;
  const Log& log_;
  const std::string asked_;
  std::unique_ptr<nvinfer1::IExecutionContext> context_;
  Stream stream_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
};

// The bundle's plugin library, for a plan whose merges are by it and that does not carry it. It stays loaded.
void load_plugin(nvinfer1::IRuntime& runtime, const Manifest& manifest, const std::string& asked,
                 const Log& log) {
  const NativeRecord* library = manifest.library("tensorrt");
  if (library == nullptr) {
    throw Failure(asked, "its merges are by the plugin, which the bundle does not have",
                  "Get the bundle again");
  }
  check_machine(*library, "Use --merge-path function");
  // Until the process ends: the engine runs its code.
  static const PrivateFile file(read_listed(manifest.folder, library->file));
  if (runtime.getPluginRegistry().loadLibrary(file.path().c_str()) == nullptr) {
    throw Failure(asked, "the plugin " + library->file.name + " was not loaded: " + log.last(),
                  "Use --merge-path function");
  }
}

}  // namespace

Tensor run_plan(const Manifest& manifest, const GraphRecord& graph, const TensorRecord& output,
                const std::vector<Tensor>& inputs, const EngineOptions& options) {
  check_headers();
  const PlanRecord& plan = chosen_plan(graph, options, compute_capability());
  const std::string asked = "running " + plan.file.name;
  const std::string bytes = read_listed(manifest.folder, plan.file);
  Log log;
  // Each lives until after what was made of it.
  const std::unique_ptr<nvinfer1::IRuntime> runtime(nvinfer1::createInferRuntime(log));
  if (runtime == nullptr)
    throw Failure(asked, "the runtime does not start: " + log.last(), "Check the driver");
  runtime->setEngineHostCodeAllowed(plan.plugin_embedded);
  if (plan.merge_path == "plugin" && !plan.plugin_embedded) load_plugin(*runtime, manifest, asked, log);
  const std::unique_ptr<nvinfer1::ICudaEngine> engine(
      runtime->deserializeCudaEngine(bytes.data(), bytes.size()));
  if (engine == nullptr) {
    throw Failure(asked, "the runtime refuses the plan: " + log.last(), "Build it again on this machine");
  }
  std::fprintf(stderr, "%s of %s, %s %s, merges by %s\n", plan.file.name.c_str(), manifest.model.c_str(),
               kLabel, dotted(getInferLibVersion()).c_str(), plan.merge_path.c_str());
  Execution execution(*engine, log, asked);
  execution.feed(inputs);
  return execution.run(output);
}

}  // namespace pitome::example
