// One merge: which step runs on which batch element and thread, and in whose memory.
#include "merge.h"

#include <atomic>
#include <cassert>
#include <thread>

#include "decide.h"
#include "kernels.h"
#include "problem.h"

namespace pitome::cpu {
namespace {

// Work that is done before another thread has woken up: about this many numbers, read once.
constexpr int64_t kWorthAThread = 1 << 15;

size_t bytes_of(DataType type) { return type == DataType::kFloat32 ? 4 : 2; }

class Merge {
 public:
  Merge(const Problem& problem, const Kernels& run, const Tensors& tensors, char* workspace)
      : problem_(problem), run_(run), tensors_(tensors), workspace_(workspace) {
    Element unused;
    element_bytes_ = lay_out(problem, nullptr, &unused);
  }

  // One batch element in one of the workspace's places.
  Element element(int64_t index, int64_t place) const {
    const Shape& shape = problem_.shape;
    const size_t bytes = bytes_of(shape.type), tokens = static_cast<size_t>(shape.num_tokens);
    const size_t at = static_cast<size_t>(index), kept = static_cast<size_t>(problem_.num_kept);
    const size_t width = static_cast<size_t>(shape.width), depth = static_cast<size_t>(shape.metric_width);
    Element element;
    lay_out(problem_, workspace_ + static_cast<size_t>(place) * element_bytes_, &element);
    element.x = static_cast<const char*>(tensors_.x) + at * tokens * width * bytes;
    element.metric = static_cast<const char*>(tensors_.metric) + at * tokens * depth * bytes;
    element.size = tensors_.size + at * tokens;
    element.y = static_cast<char*>(tensors_.y) + at * kept * width * bytes;
    element.size_out = tensors_.size_out + at * kept;
    element.assignment = tensors_.assignment + at * tokens;
    return element;
  }

  // All of one batch element on `pool`'s threads.
  void merge(const Element& element, ThreadPool& pool) const {
    const int64_t panels = divided_up(problem_.num_scored, run_.panel);
    parts(pool, panels, problem_.num_scored * problem_.shape.metric_width,
          [&](int64_t panel) { run_.pack(problem_, element, panel); });
    const int64_t products = problem_.num_scored * problem_.num_scored / 2 * problem_.shape.metric_width / 16;
    parts(pool, problem_.num_chunks, products,
          [&](int64_t chunk) { run_.compare(problem_, element, chunk); });
    if (problem_.parameters.order == Order::kEnergy) run_.average(problem_, element);
    choose_candidates(problem_, element);
    ranges(pool, problem_.num_sources, problem_.num_sources * problem_.num_targets,
           [&](int64_t first, int64_t last) { run_.match(problem_, element, first, last); });
    take_edges(problem_, element);
    ranges(pool, problem_.num_kept, problem_.shape.num_tokens * problem_.shape.width,
           [&](int64_t first, int64_t last) { run_.combine(problem_, element, first, last); });
  }

 private:
  template <typename Work>
  static void parts(ThreadPool& pool, int64_t count, int64_t numbers, const Work& work) {
    if (numbers >= kWorthAThread && count > 1) {
      pool.parallel_for(count, work);
    } else {
      for (int64_t part = 0; part < count; ++part) work(part);
    }
  }

  template <typename Work>
  static void ranges(ThreadPool& pool, int64_t count, int64_t numbers, const Work& work) {
    // A few for each thread, so that one that comes late takes fewer.
    const int64_t wanted = std::min<int64_t>(count, 4 * static_cast<int64_t>(pool.concurrency()));
    const int64_t each = divided_up(count, wanted);
    parts(pool, divided_up(count, each), numbers,
          [&](int64_t part) { work(part * each, std::min(count, (part + 1) * each)); });
  }

  const Problem& problem_;
  const Kernels& run_;
  const Tensors& tensors_;
  char* workspace_;
  size_t element_bytes_;
};

// Everything on the thread that asks.
class NoThreads final : public ThreadPool {
 public:
  int concurrency() const override { return 1; }
  void parallel_for(int64_t count, const std::function<void(int64_t)>& work) override {
    for (int64_t index = 0; index < count; ++index) work(index);
  }
};

// Places of the workspace, as many as threads may want at once.
class Places {
 public:
  explicit Places(int64_t count) : count_(count) {
    assert(count <= kMost);
    for (int64_t place = 0; place < count; ++place) taken_[place].store(false, std::memory_order_relaxed);
  }

  // The first free one. A pool with more threads than it says waits here.
  int64_t take() {
    for (int64_t place = 0;; place = (place + 1) % count_) {
      if (!taken_[place].exchange(true, std::memory_order_acquire)) return place;
      if (place == count_ - 1) std::this_thread::yield();
    }
  }
  void give_back(int64_t place) { taken_[place].store(false, std::memory_order_release); }

  static constexpr int64_t kMost = 256;

 private:
  int64_t count_;
  std::atomic<bool> taken_[kMost];
};

int64_t place_count(const Shape& shape, const ThreadPool& pool) {
  const int64_t most = std::min<int64_t>(pool.concurrency(), Places::kMost);
  return std::max<int64_t>(1, std::min(shape.batch, most));
}

// Whole batch elements keep every thread busy: as many as there are threads, or many more.
bool one_thread_each(const Shape& shape, const ThreadPool& pool) {
  const int64_t threads = pool.concurrency();
  return shape.batch % threads == 0 || shape.batch >= 4 * threads;
}

}  // namespace

size_t workspace_size(const Parameters& parameters, const Shape& shape, const ThreadPool& pool) {
  Element unused;
  const Problem problem(parameters, shape, kernels().rows_at_once);
  return lay_out(problem, nullptr, &unused) * static_cast<size_t>(place_count(shape, pool));
}

void merge(const Parameters& parameters, const Shape& shape, const Tensors& tensors, void* workspace,
           ThreadPool& pool) {
  const Kernels& run = kernels();
  const Problem problem(parameters, shape, run.rows_at_once);
  const Merge merge(problem, run, tensors, static_cast<char*>(workspace));
  if (!one_thread_each(shape, pool)) {
    for (int64_t index = 0; index < shape.batch; ++index) merge.merge(merge.element(index, 0), pool);
    return;
  }
  Places places(place_count(shape, pool));
  pool.parallel_for(shape.batch, [&](int64_t index) {
    NoThreads alone;
    const int64_t place = places.take();
    merge.merge(merge.element(index, place), alone);
    places.give_back(place);
  });
}

const char* instruction_set() { return kernels().name; }

}  // namespace pitome::cpu
