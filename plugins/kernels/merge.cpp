// The C interface: checks, the workspace's layout, and the order of the launches.
#include <pitome_merge.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <limits>

#include "enqueue.h"

namespace pitome {
namespace {

constexpr size_t kAlignment = 16;
constexpr int64_t kMostBlocks = std::numeric_limits<int32_t>::max();

// Where a refusal says why.
class Message {
 public:
  Message(char* text, size_t size) : text_(text), size_(size) {}

  __attribute__((format(printf, 2, 3))) int32_t refuse(const char* format, ...) const {
    if (text_ != nullptr && size_ > 0) {
      va_list arguments;
      va_start(arguments, format);
      vsnprintf(text_, size_, format, arguments);
      va_end(arguments);
    }
    return PITOME_INVALID;
  }

 private:
  char* text_;
  size_t size_;
};

int32_t check_parameters(const pitome_merge_parameters& asked, const Message& message) {
  if (asked.num_merged < 1)
    return message.refuse(
        "num_merged=%d: a merge removes at least one token. Leave a layer without merge out",
        asked.num_merged);
  if (asked.num_candidates < 2 * int64_t{asked.num_merged})
    return message.refuse(
        "num_candidates=%d with num_merged=%d: the operator needs 0 < 2 num_merged <= num_candidates. "
        "Allow at least %lld candidates",
        asked.num_candidates, asked.num_merged, static_cast<long long>(2 * int64_t{asked.num_merged}));
  if (asked.num_protected < 0)
    return message.refuse("num_protected=%d: negative. Give zero or more", asked.num_protected);
  if (int64_t{asked.num_candidates} + asked.num_protected > PITOME_MAX_TOKENS)
    return message.refuse(
        "num_candidates=%d with num_protected=%d: more than the %d tokens that the kernels take. Merge fewer "
        "tokens",
        asked.num_candidates, asked.num_protected, PITOME_MAX_TOKENS);
  const struct {
    const char* name;
    float value;
  } numbers[] = {{"margin", asked.margin}, {"alpha", asked.alpha}, {"size_penalty", asked.size_penalty}};
  for (const auto& number : numbers)
    if (!std::isfinite(number.value))
      return message.refuse("%s=%g: not a finite number. Give a finite number", number.name,
                            static_cast<double>(number.value));
  if (asked.size_penalty < 0)
    return message.refuse("size_penalty=%g: negative. Give zero or a positive number",
                          static_cast<double>(asked.size_penalty));
  if (asked.order != PITOME_ORDER_ENERGY && asked.order != PITOME_ORDER_POSITION)
    return message.refuse("order=%d: the operator knows 0 (energy) and 1 (position). Choose one of these",
                          asked.order);
  if (asked.energy != PITOME_ENERGY_ELU && asked.energy != PITOME_ENERGY_GAUSSIAN)
    return message.refuse("energy=%d: the operator knows 0 (elu) and 1 (gaussian). Choose one of these",
                          asked.energy);
  if (asked.split != PITOME_SPLIT_ALTERNATE && asked.split != PITOME_SPLIT_HALF)
    return message.refuse("split=%d: the operator knows 0 (alternate) and 1 (half). Choose one of these",
                          asked.split);
  if (asked.energy == PITOME_ENERGY_GAUSSIAN && asked.margin >= 1)
    return message.refuse(
        "margin=%g with the gaussian energy: its width is 1 - margin, which must be positive. Give a margin "
        "below 1",
        static_cast<double>(asked.margin));
  return PITOME_OK;
}

int32_t check_shape(const pitome_merge_parameters& asked, const pitome_merge_shape& shape,
                    const Message& message) {
  if (shape.dtype != PITOME_FLOAT32 && shape.dtype != PITOME_FLOAT16 && shape.dtype != PITOME_BFLOAT16)
    return message.refuse(
        "dtype=%d: the kernels know 0 (float32), 1 (float16) and 2 (bfloat16). Choose one of these",
        shape.dtype);
  if (shape.batch < 0) return message.refuse("batch=%d: negative. Give zero or more", shape.batch);
  if (shape.num_tokens < 1 || shape.num_tokens > PITOME_MAX_TOKENS)
    return message.refuse("num_tokens=%d: the kernels take 1 to %d. Use the function body for more",
                          shape.num_tokens, PITOME_MAX_TOKENS);
  if (shape.width < 1 || shape.width > PITOME_MAX_WIDTH)
    return message.refuse("width=%d: the kernels take 1 to %d. Use the function body for more", shape.width,
                          PITOME_MAX_WIDTH);
  if (shape.metric_width < 1 || shape.metric_width > PITOME_MAX_WIDTH)
    return message.refuse("metric_width=%d: the kernels take 1 to %d. Use the function body for more",
                          shape.metric_width, PITOME_MAX_WIDTH);
  if (asked.num_candidates > shape.num_tokens - asked.num_protected)
    return message.refuse(
        "num_candidates=%d for %d tokens, %d of them protected: the operator needs num_candidates <= %d. "
        "Give the number of tokens that the model was exported for",
        asked.num_candidates, shape.num_tokens, asked.num_protected, shape.num_tokens - asked.num_protected);
  return PITOME_OK;
}

Problem make_problem(const pitome_merge_parameters& asked, const pitome_merge_shape& shape) {
  Problem problem = {};
  problem.batch = shape.batch;
  problem.num_tokens = shape.num_tokens;
  problem.width = shape.width;
  problem.metric_width = shape.metric_width;
  problem.num_merged = asked.num_merged;
  problem.num_candidates = asked.num_candidates;
  problem.prefix = asked.num_protected;
  problem.margin = asked.margin;
  problem.alpha = asked.alpha;
  problem.size_penalty = asked.size_penalty;
  problem.by_energy = asked.order == PITOME_ORDER_ENERGY;
  problem.gaussian = asked.energy == PITOME_ENERGY_GAUSSIAN;
  problem.alternate = asked.split == PITOME_SPLIT_ALTERNATE;
  return problem;
}

// Gives each part of the workspace its place; with no base it only counts the bytes.
class Layout {
 public:
  explicit Layout(void* base) : base_(static_cast<char*>(base)) {}

  template <typename T>
  void place(Global<T>& part, int64_t count) {
    if (base_ != nullptr) part = Global<T>(reinterpret_cast<T*>(base_ + bytes_));
    bytes_ += (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
  }
  size_t bytes() const { return bytes_; }

 private:
  char* base_;
  size_t bytes_ = 0;
};

size_t lay_out(const Problem& problem, void* base, Workspace& workspace) {
  Layout layout(base);
  const int64_t batch = problem.batch;
  if (problem.by_energy) {
    layout.place(workspace.energy_part, batch * problem.num_token_tiles() * problem.num_unprotected());
    layout.place(workspace.inverse_norm, batch * problem.num_unprotected());
    layout.place(workspace.candidate, batch * problem.num_candidates);
  }
  const int64_t edges = batch * problem.num_target_tiles() * problem.num_sources();
  layout.place(workspace.best_similarity, edges);
  layout.place(workspace.best_target, edges);
  layout.place(workspace.slot, batch * problem.num_kept());
  layout.place(workspace.member, batch * problem.num_merged);
  return layout.bytes();
}

bool starts_in_vectors(const void* address, int64_t row_bytes) {
  return reinterpret_cast<uintptr_t>(address) % sizeof(uint4) == 0 && row_bytes % sizeof(uint4) == 0;
}

template <typename T>
cudaError_t enqueue(Problem problem, const Workspace& workspace, const pitome_merge_tensors& tensors,
                    cudaStream_t stream) {
  const int64_t row_bytes = problem.width * int64_t{sizeof(T)};
  problem.metric_in_vectors = starts_in_vectors(tensors.metric, problem.metric_width * int64_t{sizeof(T)});
  problem.x_in_vectors = starts_in_vectors(tensors.x, row_bytes) && starts_in_vectors(tensors.y, row_bytes);
  cudaError_t status = cudaSuccess;
  if (problem.by_energy) {
    status = enqueue_energies<T>(problem, workspace, tensors, stream);
    if (status == cudaSuccess) status = enqueue_order(problem, workspace, tensors, stream);
  }
  if (status == cudaSuccess) status = enqueue_edges<T>(problem, workspace, tensors, stream);
  if (status == cudaSuccess) status = enqueue_selection(problem, workspace, tensors, stream);
  if (status == cudaSuccess) status = enqueue_rows<T>(problem, workspace, tensors, stream);
  return status;
}

int32_t check_tensors(const pitome_merge_tensors& tensors, const Message& message) {
  const struct {
    const char* name;
    const void* address;
    size_t alignment;
  } pointers[] = {{"x", tensors.x, 2},
                  {"metric", tensors.metric, 2},
                  {"size", tensors.size, sizeof(float)},
                  {"y", tensors.y, 2},
                  {"size_out", tensors.size_out, sizeof(float)},
                  {"assignment", tensors.assignment, sizeof(int32_t)},
                  {"workspace", tensors.workspace, kAlignment}};
  for (const auto& pointer : pointers) {
    if (pointer.address == nullptr)
      return message.refuse("%s: a null pointer. Give the address of its memory", pointer.name);
    if (reinterpret_cast<uintptr_t>(pointer.address) % pointer.alignment != 0)
      return message.refuse("%s at %p: not aligned to %zu bytes. Give aligned memory", pointer.name,
                            pointer.address, pointer.alignment);
  }
  return PITOME_OK;
}

}  // namespace
}  // namespace pitome

using namespace pitome;

int32_t pitome_merge_check_parameters(const pitome_merge_parameters* parameters, char* message,
                                      size_t message_size) {
  Message place(message, message_size);
  if (parameters == nullptr)
    return place.refuse("parameters: a null pointer. Give the operator's attributes");
  return check_parameters(*parameters, place);
}

int32_t pitome_merge_check(const pitome_merge_parameters* parameters, const pitome_merge_shape* shape,
                           char* message, size_t message_size) {
  Message place(message, message_size);
  if (shape == nullptr) return place.refuse("shape: a null pointer. Give the tensors' shape");
  int32_t status = pitome_merge_check_parameters(parameters, message, message_size);
  return status == PITOME_OK ? check_shape(*parameters, *shape, place) : status;
}

size_t pitome_merge_workspace_size(const pitome_merge_parameters* parameters,
                                   const pitome_merge_shape* shape) {
  if (pitome_merge_check(parameters, shape, nullptr, 0) != PITOME_OK) return 0;
  Workspace workspace;
  return lay_out(make_problem(*parameters, *shape), nullptr, workspace);
}

int32_t pitome_merge_enqueue(const pitome_merge_parameters* parameters, const pitome_merge_shape* shape,
                             const pitome_merge_tensors* tensors, void* stream, char* message,
                             size_t message_size) {
  int32_t status = pitome_merge_check(parameters, shape, message, message_size);
  if (status != PITOME_OK || shape->batch == 0) return status;
  Message place(message, message_size);
  if (tensors == nullptr) return place.refuse("tensors: a null pointer. Give the tensors' addresses");
  status = check_tensors(*tensors, place);
  if (status != PITOME_OK) return status;

  Problem problem = make_problem(*parameters, *shape);
  const int64_t tiles = int64_t{problem.num_token_tiles()} * (problem.num_token_tiles() + 1) / 2;
  const int64_t most_per_image = std::max<int64_t>(tiles, problem.num_kept());
  if (most_per_image * problem.batch > kMostBlocks)
    return place.refuse(
        "batch=%d of %d tokens: more blocks than a launch may have. Give at most %lld at a time",
        problem.batch, problem.num_tokens, static_cast<long long>(kMostBlocks / most_per_image));
  Workspace workspace;
  lay_out(problem, tensors->workspace, workspace);
  cudaStream_t queue = static_cast<cudaStream_t>(stream);
  cudaError_t error = shape->dtype == PITOME_FLOAT32 ? enqueue<float>(problem, workspace, *tensors, queue)
                      : shape->dtype == PITOME_FLOAT16
                          ? enqueue<__half>(problem, workspace, *tensors, queue)
                          : enqueue<__nv_bfloat16>(problem, workspace, *tensors, queue);
  if (error == cudaSuccess) return PITOME_OK;
  place.refuse(
      "a merge of %d tokens: the launch failed with %s. See the CUDA driver's log, and report this as a bug",
      problem.num_tokens, cudaGetErrorString(error));
  return PITOME_CUDA_ERROR;
}

const char* pitome_merge_version(void) { return PITOME_VERSION; }
