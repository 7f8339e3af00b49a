// CUDA's execution model on the CPU, in place of CUDA's own cuda_runtime.h: test equipment (see
// ../README.md).
//
// Types come from CUDA's headers; what runs on a device is here. Kernels may use threadIdx and friends, one
// PITOME_SHARED structure, barriers of a block, and shuffles and votes of a warp.
#pragma once

#include <driver_types.h>
#include <vector_functions.h>
#include <vector_types.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>

#define PITOME_HOST 1

#undef __launch_bounds__
#define __launch_bounds__(...)

// Of the thread that runs: there is one at a time.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace pitome_host {

// A line of the sources at which threads wait.
struct Place {
  const char* file;
  int line;
};

// Return when every thread of the block has come here; the number of those that brought a true value.
int wait_for_block(bool value, Place place);

// Return when every lane of `mask` has come here with its value; the values of all 32 lanes.
const uint64_t* exchange_in_warp(unsigned mask, uint64_t value, Place place);

// The block's shared memory: exactly as large as asked for, and full of garbage at first.
void* shared_memory(size_t bytes);

template <typename T>
T& shared_memory() {
  return *static_cast<T*>(shared_memory(sizeof(T)));
}

// End the kernel with a fault.
[[noreturn]] void report(const char* fault);

// What is counted, by kernel: see counters.h.
void name_kernel(const char* name);
void count_load(const void* address, size_t bytes);
void count_store(const void* address, size_t bytes);
void count_multiply_adds(int64_t number);

// That the kernel is about to look at what the one before it wrote.
void wait_for_last_launch();

// Put a kernel at the end of a stream; it runs when the stream is synchronised.
cudaError_t launch(const cudaLaunchConfig_t& config, std::function<void()> thread);

template <typename T>
uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <typename T>
T from_bits(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline int lane() {
  return static_cast<int>((threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x) % 32;
}

}  // namespace pitome_host

// The defaults are evaluated where the call stands.
#define PITOME_HOST_PLACE pitome_host::Place place = {__builtin_FILE(), __builtin_LINE()}

inline void __syncthreads(PITOME_HOST_PLACE) { pitome_host::wait_for_block(false, place); }
inline int __syncthreads_count(int value, PITOME_HOST_PLACE) {
  return pitome_host::wait_for_block(value != 0, place);
}
inline void __syncwarp(unsigned mask = 0xffffffffu, PITOME_HOST_PLACE) {
  pitome_host::exchange_in_warp(mask, 0, place);
}

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, PITOME_HOST_PLACE) {
  const uint64_t* values = pitome_host::exchange_in_warp(mask, pitome_host::to_bits(value), place);
  const int first = pitome_host::lane() / width * width;
  return pitome_host::from_bits<T>(values[first + source % width]);
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, PITOME_HOST_PLACE) {
  const uint64_t* values = pitome_host::exchange_in_warp(mask, pitome_host::to_bits(value), place);
  const int lane = pitome_host::lane(), other = lane ^ lanes;
  return pitome_host::from_bits<T>(values[other / width <= lane / width ? other : lane]);
}

template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32, PITOME_HOST_PLACE) {
  const uint64_t* values = pitome_host::exchange_in_warp(mask, pitome_host::to_bits(value), place);
  const int lane = pitome_host::lane(), other = lane - static_cast<int>(lanes);
  return pitome_host::from_bits<T>(values[other >= lane / width * width ? other : lane]);
}

template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32, PITOME_HOST_PLACE) {
  const uint64_t* values = pitome_host::exchange_in_warp(mask, pitome_host::to_bits(value), place);
  const int lane = pitome_host::lane(), other = lane + static_cast<int>(lanes);
  return pitome_host::from_bits<T>(values[other < (lane / width + 1) * width ? other : lane]);
}

inline unsigned __ballot_sync(unsigned mask, int value, PITOME_HOST_PLACE) {
  const uint64_t* values = pitome_host::exchange_in_warp(mask, value != 0, place);
  unsigned votes = 0;
  for (int lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1 && values[lane] != 0) votes |= 1u << lane;
  return votes;
}
inline int __any_sync(unsigned mask, int value, PITOME_HOST_PLACE) {
  return __ballot_sync(mask, value, place) != 0;
}
inline int __all_sync(unsigned mask, int value, PITOME_HOST_PLACE) {
  return __ballot_sync(mask, value, place) == mask;
}

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(unsigned bits) { return __builtin_ffs(static_cast<int>(bits)); }

using std::max;
using std::min;

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments... arguments) {
  std::tuple<Parameters...> copies(arguments...);  // arguments are copied when the kernel is launched
  return pitome_host::launch(*config, [kernel, copies] { std::apply(kernel, copies); });
}

cudaError_t cudaStreamCreate(cudaStream_t* stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
const char* cudaGetErrorString(cudaError_t error);
