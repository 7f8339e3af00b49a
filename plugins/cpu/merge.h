// The merge of pitome::EnergyMerge version 2 on the CPU (docs/METHOD.md section 2). It knows no onnxruntime:
// threads come from whoever calls, and so does every byte of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace pitome::cpu {

enum class DataType : int32_t { kFloat32, kFloat16, kBFloat16 };
enum class Order : int32_t { kEnergy, kPosition };
enum class Function : int32_t { kPiecewise, kGaussian };
enum class Split : int32_t { kAlternate, kAlternateSecond, kHalf };

// The attributes of the operator (docs/DESIGN.md), in the order of its contract.
struct Parameters {
  int32_t num_merged;      // r
  int32_t num_candidates;  // M; 0 < 2r <= M <= N - num_protected
  int32_t num_protected;   // the prefix, which is never scored or merged
  float margin;
  float offset;
  float width;
  float alpha;
  float size_penalty;
  Order order;
  Function function;
  Split split;
};

struct Shape {
  int64_t batch;         // B
  int64_t num_tokens;    // N <= kMaxTokens
  int64_t width;         // C
  int64_t metric_width;  // D
  DataType type;         // of x, metric and y
};

// Contiguous arrays. No output overlaps an input.
struct Tensors {
  const void* x;        // [B, N, C]
  const void* metric;   // [B, N, D]
  const float* size;    // [B, N], <= 0 is padding
  void* y;              // [B, N - r, C]
  float* size_out;      // [B, N - r]
  int32_t* assignment;  // [B, N]
};

// Offsets into a matrix of N x N similarities are 32 bits wide.
constexpr int64_t kMaxTokens = 32768;

// Who runs the work. Calls of merge may share one pool, at the same time too.
class ThreadPool {
 public:
  virtual ~ThreadPool() = default;
  // How many threads may run at once; more is allowed, and waits.
  virtual int concurrency() const = 0;
  // work(0) to work(count - 1), each once, in any order; returns when all are done. `work` does not throw.
  virtual void parallel_for(int64_t count, const std::function<void(int64_t)>& work) = 0;
};

// Why parameters, or a shape with them, are outside the contract: what was asked, what was found and what to
// do. Empty where they are within.
std::string refusal(const Parameters& parameters);
std::string refusal(const Parameters& parameters, const Shape& shape);

// Alignment of the workspace, in bytes.
constexpr size_t kAlignment = 64;

// Bytes that `merge` needs of memory that may hold anything.
size_t workspace_size(const Parameters& parameters, const Shape& shape, const ThreadPool& pool);

// One merge of what `refusal` lets pass. The same bits every time, with any number of threads.
void merge(const Parameters& parameters, const Shape& shape, const Tensors& tensors, void* workspace,
           ThreadPool& pool);

// The instruction set that the kernels are run with on this CPU, such as "AVX2" (Highway's names).
const char* instruction_set();

// Those that were compiled, the best first, with blanks between.
const char* instruction_sets();

}  // namespace pitome::cpu
