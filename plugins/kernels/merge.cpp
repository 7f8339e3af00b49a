// The C interface: the workspace's layout, and the order of the launches.
#include <pitome_merge.h>

#include <algorithm>
#include <limits>

#include "enqueue.h"
#include "message.h"

namespace pitome {
namespace {

constexpr size_t kAlignment = 16;
constexpr int64_t kMostBlocks = std::numeric_limits<int32_t>::max();

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
  problem.offset = asked.offset;
  problem.energy_width = asked.function == PITOME_FUNCTION_GAUSSIAN ? 1.0f - asked.margin : asked.width;
  problem.alpha = asked.alpha;
  problem.size_penalty = asked.size_penalty;
  problem.by_energy = asked.order == PITOME_ORDER_ENERGY;
  problem.gaussian = asked.function == PITOME_FUNCTION_GAUSSIAN;
  const pitome_merge_twins twins = pitome_merge_twins_of(&asked);
  problem.source_start = twins.source_start;
  problem.target_start = twins.target_start;
  problem.split_step = twins.split_step;
  problem.sources = ceil_divide(twins.source_stop - twins.source_start, twins.split_step);
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
  if (problem.has_few_tokens()) {
    const int64_t unprotected = problem.num_unprotected();
    layout.place(workspace.similarity, batch * unprotected * problem.few_pitch());
    layout.place(workspace.inverse_norm, batch * unprotected);
    if (problem.by_energy) layout.place(workspace.energy_part, batch * problem.num_few_tiles() * unprotected);
    return layout.bytes();
  }
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
  if (problem.has_few_tokens()) {
    status = enqueue_few_pairs<T>(problem, workspace, tensors, stream);
    return status == cudaSuccess ? enqueue_few_merge<T>(problem, workspace, tensors, stream) : status;
  }
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
