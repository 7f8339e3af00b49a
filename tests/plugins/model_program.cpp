// Small kernels that show what CUDA's execution model on the CPU does, and what it reports.
//
// model_program CHECK SEED prints numbers, or the fault of a kernel, for test_execution_model.py to judge.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

extern "C" void pitome_host_set_seed(uint64_t seed);
extern "C" void pitome_host_keep_faults(int32_t keep);
extern "C" const char* pitome_host_fault();
extern "C" void pitome_host_count(int32_t enabled);
extern "C" const char* pitome_host_counters();

namespace {

struct Numbers {
  int value[1024];
};

__global__ void number_threads(int* out) {
  int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  out[block * (blockDim.x * blockDim.y * blockDim.z) + thread] = block * 1000 + thread;
}

// Each thread writes its place; with the barrier, each reads the opposite one's.
__global__ void reverse(int* out, bool with_barrier) {
  Numbers& shared = pitome_host::shared_memory<Numbers>();
  shared.value[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (with_barrier) __syncthreads();
  out[threadIdx.x] = shared.value[blockDim.x - 1 - threadIdx.x];
}

__global__ void read_garbage(int* out) {
  Numbers& shared = pitome_host::shared_memory<Numbers>();
  out[threadIdx.x] = shared.value[threadIdx.x];
}

__global__ void leave_out_one() {
  if (threadIdx.x != 7) __syncthreads();
}

__global__ void two_places() {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void half_a_warp_shuffles() {
  if (threadIdx.x < 16) __shfl_xor_sync(0xffffffffu, 1, 1);
}

__global__ void too_much_shared_memory() { pitome_host::shared_memory(48 * 1024 + 1); }

__global__ void two_structures() {
  pitome_host::shared_memory(16);
  pitome_host::shared_memory(32);
}

__global__ void talk_in_warp(int* out) {
  int lane = static_cast<int>(threadIdx.x) % 32, own = 100 * (static_cast<int>(threadIdx.x) / 32) + lane;
  int* line = out + 9 * threadIdx.x;
  line[0] = __shfl_xor_sync(0xffffffffu, own, 5);
  line[1] = __shfl_up_sync(0xffffffffu, own, 3);
  line[2] = __shfl_down_sync(0xffffffffu, own, 3);
  line[3] = __shfl_sync(0xffffffffu, own, 9);
  line[4] = static_cast<int>(__ballot_sync(0xffffffffu, lane % 3 == 0));
  line[5] = __any_sync(0xffffffffu, lane == 40);
  line[6] = __all_sync(0xffffffffu, lane < 32);
  line[7] = __syncthreads_count(threadIdx.x % 5 == 0);
  // Two halves of a warp, each with an exchange of its own.
  line[8] = lane < 16 ? __shfl_xor_sync(0x0000ffffu, own, 1) : __shfl_xor_sync(0xffff0000u, own, 2);
}

// Which thread came first: a number that depends on the order of threads.
__global__ void race(int* out, int* next) { out[threadIdx.x] = (*next)++; }

__global__ void append(std::vector<int>* log, int number) { log->push_back(number); }

__global__ void touch_memory(const float* from, float* to) {
  pitome_host::name_kernel("touch_memory");
  pitome_host::count_load(from, 4);  // every thread the same word
  pitome_host::count_store(to + threadIdx.x, 4);
  to[threadIdx.x] = from[0];
}

cudaLaunchConfig_t make_config(dim3 grid, dim3 block, cudaStream_t stream) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.stream = stream;
  return config;
}

void print(const std::vector<int>& numbers) {
  for (int number : numbers) std::printf("%d ", number);
  std::printf("\n");
}

// Run one kernel and wait for it; print its fault where there is one.
template <typename... Parameters, typename... Arguments>
void run(dim3 grid, dim3 block, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  cudaLaunchConfig_t config = make_config(grid, block, stream);
  cudaError_t error = cudaLaunchKernelEx(&config, kernel, arguments...);
  if (error == cudaSuccess) error = cudaStreamSynchronize(stream);
  if (error != cudaSuccess) std::printf("%s: %s\n", cudaGetErrorString(error), pitome_host_fault());
  cudaStreamDestroy(stream);
}

void check_stream_order() {
  cudaStream_t first, second;
  cudaStreamCreate(&first);
  cudaStreamCreate(&second);
  std::vector<int> log;
  for (int number = 0; number < 4; ++number) {
    cudaLaunchConfig_t config = make_config(dim3(1), dim3(1), number % 2 == 0 ? first : second);
    cudaLaunchKernelEx(&config, append, &log, number);
  }
  print(log);
  cudaStreamSynchronize(second);
  cudaStreamSynchronize(first);
  print(log);
  cudaStreamDestroy(first);
  cudaStreamDestroy(second);
}

void check_counters() {
  std::vector<float> memory(256);
  uintptr_t start = (reinterpret_cast<uintptr_t>(memory.data()) + 31) / 32 * 32;
  float* aligned = reinterpret_cast<float*>(start);
  pitome_host_count(1);
  run(dim3(1), dim3(64), touch_memory, static_cast<const float*>(aligned + 128), aligned);
  std::printf("%s\n", pitome_host_counters());
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return 2;
  const char* check = words[1];
  pitome_host_set_seed(std::strtoull(words[2], nullptr, 10));
  pitome_host_keep_faults(std::strcmp(check, "fault_ends_the_process") != 0);
  std::vector<int> out(1024, -7);
  auto is = [check](const char* name) { return std::strcmp(check, name) == 0; };
  if (is("number_threads")) {
    out.resize(12 * 10);
    run(dim3(2, 3, 2), dim3(5, 2, 1), number_threads, out.data());
    print(out);
  } else if (is("reverse") || is("reverse_without_barrier")) {
    run(dim3(1), dim3(256), reverse, out.data(), is("reverse"));
    out.resize(256);
    print(out);
  } else if (is("garbage")) {
    for (int run_number = 0; run_number < 2; ++run_number) run(dim3(1), dim3(64), read_garbage, out.data());
    out.resize(64);
    print(out);
  } else if (is("leave_out_one") || is("fault_ends_the_process")) {
    run(dim3(1), dim3(64), leave_out_one);
  } else if (is("two_places")) {
    run(dim3(1), dim3(64), two_places);
  } else if (is("half_a_warp")) {
    run(dim3(1), dim3(32), half_a_warp_shuffles);
  } else if (is("too_much_shared_memory")) {
    run(dim3(1), dim3(32), too_much_shared_memory);
  } else if (is("two_structures")) {
    run(dim3(1), dim3(32), two_structures);
  } else if (is("after_a_fault")) {
    run(dim3(1), dim3(64), leave_out_one);
    run(dim3(1), dim3(256), reverse, out.data(), true);
    out.resize(256);
    print(out);
  } else if (is("warp")) {
    out.resize(9 * 64);
    run(dim3(1), dim3(64), talk_in_warp, out.data());
    print(out);
  } else if (is("race")) {
    int next = 0;
    run(dim3(1), dim3(64), race, out.data(), &next);
    out.resize(64);
    print(out);
  } else if (is("too_many_threads")) {
    run(dim3(1), dim3(1025), leave_out_one);
  } else if (is("empty_grid")) {
    run(dim3(0), dim3(32), leave_out_one);
  } else if (is("streams")) {
    check_stream_order();
  } else if (is("counters")) {
    check_counters();
  } else {
    return 2;
  }
  return 0;
}
