// What the kernels take from CUDA, with device memory behind a type that only loads and stores.
//
// The same sources compile with nvcc for GPUs and with g++ against host/include, where PITOME_HOST is
// defined, threads are fibers, and every access to device memory is counted.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <type_traits>

#if defined(PITOME_HOST)
#define PITOME_KERNEL(name) pitome_host::name_kernel(name)
#define PITOME_SHARED(Type, name) Type& name = pitome_host::shared_memory<Type>()
#else
#define PITOME_KERNEL(name)
#define PITOME_SHARED(Type, name) __shared__ Type name
#endif

namespace pitome {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// Memory of the device. `T` is const for what a kernel only reads.
template <typename T>
class Global {
 public:
  using Value = std::remove_const_t<T>;

  Global() = default;
  __host__ __device__ explicit Global(T* address) : address_(address) {}

  __device__ Value load(int64_t index) const {
#if defined(PITOME_HOST)
    pitome_host::count_load(address_ + index, sizeof(T));
#endif
    return address_[index];
  }

  __device__ void store(int64_t index, Value value) const {
#if defined(PITOME_HOST)
    pitome_host::count_store(address_ + index, sizeof(T));
#endif
    address_[index] = value;
  }

  // 16 bytes in one access; the address of `index` is a multiple of 16.
  __device__ uint4 load_vector(int64_t index) const {
#if defined(PITOME_HOST)
    pitome_host::count_load(address_ + index, sizeof(uint4));
#endif
    return *reinterpret_cast<const uint4*>(address_ + index);
  }

  __device__ void store_vector(int64_t index, uint4 value) const {
#if defined(PITOME_HOST)
    pitome_host::count_store(address_ + index, sizeof(uint4));
#endif
    *reinterpret_cast<uint4*>(address_ + index) = value;
  }

 private:
  T* address_ = nullptr;
};

// How many elements 16 bytes hold.
template <typename T>
constexpr int kVector = 16 / static_cast<int>(sizeof(T));

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(__half value) { return __half2float(value); }
__device__ inline float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }

template <typename T>
__device__ inline T from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}
template <>
__device__ inline __half from_float<__half>(float value) {
  return __float2half_rn(value);
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

// The elements of 16 bytes, and back.
template <typename T>
union Elements {
  uint4 vector;
  T value[kVector<T>];
  __device__ Elements() : vector{} {}
};

__device__ inline float infinity() { return HUGE_VALF; }

__host__ __device__ constexpr int ceil_divide(int number, int divisor) {
  return (number + divisor - 1) / divisor;
}

// A kernel that was launched with leave to start while the one before it still runs: nothing of that one may
// be looked at before the wait. Where there is no such leave, and before sm90, both do nothing.
__device__ inline void allow_next_launch() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}
__device__ inline void wait_for_last_launch() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#elif defined(PITOME_HOST)
  pitome_host::wait_for_last_launch();
#endif
}

}  // namespace pitome
