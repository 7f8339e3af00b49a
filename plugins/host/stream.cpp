// Streams, launches, and the functions by which tests steer the model.
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "block.h"
#include "counters.h"
#include "early_launch.h"
#include "include/cuda_runtime.h"

// What cudaStream_t points to: kernels that wait for their turn. Nothing runs before the stream is
// synchronised, so that an argument which does not outlive the launch is noticed.
struct CUstream_st {
  std::vector<std::function<void()>> kernels;
};

namespace pitome_host {
namespace {

CUstream_st default_stream;
std::mt19937_64 random_numbers;
Block block;
std::string fault_text;
bool faults_are_kept = false;

CUstream_st& stream_of(cudaStream_t stream) { return stream == nullptr ? default_stream : *stream; }

void run_kernel(const cudaLaunchConfig_t& config, const std::function<void()>& thread) {
  gridDim = config.gridDim;
  blockDim = config.blockDim;
  const int64_t blocks = int64_t{gridDim.x} * gridDim.y * gridDim.z;
  counters.begin(blocks, int64_t{blockDim.x} * blockDim.y * blockDim.z);
  early_launch.begin(config.numAttrs != 0);
  std::vector<int64_t> order(static_cast<size_t>(blocks));
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), random_numbers);
  for (int64_t number : order) {
    blockIdx = {static_cast<unsigned>(number % gridDim.x),
                static_cast<unsigned>(number / gridDim.x % gridDim.y),
                static_cast<unsigned>(number / gridDim.x / gridDim.y)};
    block.run(config.blockDim, thread, random_numbers);
  }
  counters.end();
  early_launch.end();
}

bool is_possible(const cudaLaunchConfig_t& config) {
  const dim3 grid = config.gridDim, size = config.blockDim;
  const int64_t threads = int64_t{size.x} * size.y * size.z;
  return grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.x <= 0x7fffffffu && grid.y <= 65535 &&
         grid.z <= 65535 && threads > 0 && threads <= 1024 && size.z <= 64 && config.dynamicSmemBytes == 0 &&
         (config.numAttrs == 0 ||
          (config.numAttrs == 1 && config.attrs->id == cudaLaunchAttributeProgrammaticStreamSerialization));
}

}  // namespace

int wait_for_block(bool value, Place place) { return block.wait(value, place); }
const uint64_t* exchange_in_warp(unsigned mask, uint64_t value, Place place) {
  return block.exchange(mask, value, place);
}
void* shared_memory(size_t bytes) { return block.shared_memory(bytes); }
void wait_for_last_launch() { block.running().has_waited = true; }

void watch_access(const void* address, bool stores) {
  early_launch.check(address, block.running().has_waited);
  if (stores) early_launch.remember(address);
}

cudaError_t launch(const cudaLaunchConfig_t& config, std::function<void()> thread) {
  if (!is_possible(config)) return cudaErrorInvalidConfiguration;
  stream_of(config.stream).kernels.push_back([config, thread] { run_kernel(config, thread); });
  return cudaSuccess;
}

}  // namespace pitome_host

using namespace pitome_host;

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  *stream = new CUstream_st;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  std::vector<std::function<void()>> kernels;
  kernels.swap(stream_of(stream).kernels);
  try {
    for (const auto& kernel : kernels) kernel();
    return cudaSuccess;
  } catch (const Fault& fault) {
    counters.end();
    early_launch.end();
    fault_text = fault.text;
    if (faults_are_kept) return cudaErrorLaunchFailure;
    std::fprintf(stderr, "fault in a kernel: %s\n", fault.text.c_str());
    std::abort();
  }
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

// A GPU that takes early launches.
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  if (attribute != cudaDevAttrComputeCapabilityMajor) return cudaErrorInvalidValue;
  *value = 9;
  return cudaSuccess;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    default:
      return "unknown error";
  }
}

#define PITOME_HOST_API extern "C" __attribute__((visibility("default")))

PITOME_HOST_API void* pitome_host_stream_create() { return new CUstream_st; }
PITOME_HOST_API void pitome_host_stream_synchronize(void* stream) {
  cudaStreamSynchronize(static_cast<cudaStream_t>(stream));
}
PITOME_HOST_API void pitome_host_stream_destroy(void* stream) { delete static_cast<cudaStream_t>(stream); }

// Choose the order of threads and blocks from here on.
PITOME_HOST_API void pitome_host_set_seed(uint64_t seed) { random_numbers.seed(seed); }

// Keep faults for pitome_host_fault instead of ending the process.
PITOME_HOST_API void pitome_host_keep_faults(int32_t keep) { faults_are_kept = keep != 0; }

// The last fault, or an empty text; and forget it.
PITOME_HOST_API const char* pitome_host_fault() {
  static std::string last;
  last.swap(fault_text);
  fault_text.clear();
  return last.c_str();
}

// Every barrier that a thread came to so far, as "file:line" with a newline behind each.
PITOME_HOST_API const char* pitome_host_barriers() {
  static std::string text;
  text.clear();
  for (const std::string& place : seen_barriers) text += place + "\n";
  return text.c_str();
}

PITOME_HOST_API void pitome_host_forget_barriers() { seen_barriers.clear(); }

// Let the barrier at "file:line" hold nobody, as if it were not written; an empty text undoes that.
PITOME_HOST_API void pitome_host_open_barrier(const char* place) {
  open_barriers.clear();
  if (*place != 0) open_barriers.insert(place);
}

// From here on an early kernel that looks at what the one before it wrote without a wait is a fault.
PITOME_HOST_API void pitome_host_watch_early_launches() { early_launch.watch(); }

// How many kernels might have started early so far.
PITOME_HOST_API int32_t pitome_host_early_launches() { return early_launch.number(); }

// Count from zero (1), or stop counting (0).
PITOME_HOST_API void pitome_host_count(int32_t enabled) {
  counters = {};
  counters.enabled = enabled != 0;
}

PITOME_HOST_API const char* pitome_host_counters() {
  static std::string text;
  text = counters_as_json();
  return text.c_str();
}
