#include "block.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>

#include "counters.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace pitome_host {

std::set<std::string> seen_barriers, open_barriers;

constexpr int kWarpLanes = 32;
constexpr size_t kMostSharedBytes = 48 * 1024;
constexpr std::align_val_t kSharedAlignment{256};
constexpr int kGarbage = 0xff;  // not a number in every floating-point type

static bool same(Place one, Place other) {
  return one.line == other.line && std::strcmp(one.file, other.file) == 0;
}

static std::string describe(Place place) {
  const char* slash = std::strrchr(place.file, '/');
  return std::string(slash == nullptr ? place.file : slash + 1) + ":" + std::to_string(place.line);
}

void Block::run(dim3 size, const std::function<void()>& body, std::mt19937_64& random) {
  num_threads_ = static_cast<int>(size.x * size.y * size.z);
  prepare(body);
  int64_t barriers = 0;
  first_warp_waits_ = 0;
  for (;;) {
    run_ready(random);
    if (release_barrier()) {
      ++barriers;
      continue;
    }
    bool finished = std::all_of(fibers_.begin(), fibers_.begin() + num_threads_,
                                [](const auto& fiber) { return fiber->state == Fiber::State::kFinished; });
    if (!finished) report_stuck();
    count_waits(barriers, first_warp_waits_);
    return;
  }
}

void Block::prepare(const std::function<void()>& body) {
  while (static_cast<int>(fibers_.size()) < num_threads_) fibers_.push_back(std::make_unique<Fiber>());
  warps_.resize(static_cast<size_t>(num_threads_ + kWarpLanes - 1) / kWarpLanes);
  warp_order_.resize(warps_.size());
  std::iota(warp_order_.begin(), warp_order_.end(), 0);
  lane_order_.resize(kWarpLanes);
  std::iota(lane_order_.begin(), lane_order_.end(), 0);
  shared_.reset();
  shared_bytes_ = 0;
  for (int index = 0; index < num_threads_; ++index) {
    Fiber& fiber = *fibers_[index];
    unsigned number = static_cast<unsigned>(index);
    fiber.index = index;
    fiber.has_waited = false;
    fiber.thread = {number % blockDim.x, number / blockDim.x % blockDim.y,
                    number / (blockDim.x * blockDim.y)};
    fiber.start(body);
  }
}

// Run what can run up to the block's next barrier. At times all warps go step by step, at times each goes as
// far ahead of the others as it can.
void Block::run_ready(std::mt19937_64& random) {
  const bool step_by_step = random() % 2 == 0;
  std::shuffle(warp_order_.begin(), warp_order_.end(), random);
  bool any = true;
  while (any) {
    any = false;
    for (int warp : warp_order_) {
      while (run_warp(warp, random)) {
        any = true;
        if (step_by_step) break;
      }
    }
  }
}

// Run the lanes of a warp up to where they wait; false where nothing could run.
bool Block::run_warp(int warp, std::mt19937_64& random) {
  const int first = warp * kWarpLanes, lanes = std::min(kWarpLanes, num_threads_ - first);
  release_warp(first);
  bool any = false;
  std::shuffle(lane_order_.begin(), lane_order_.end(), random);
  for (int lane : lane_order_) {
    if (lane >= lanes || fibers_[first + lane]->state != Fiber::State::kReady) continue;
    current_ = fibers_[first + lane].get();
    threadIdx = current_->thread;
    current_->resume();
    any = true;
  }
  return any;
}

int Block::wait(bool value, Place place) {
  Fiber* self = current_;
  if (self->index == 0) seen_barriers.insert(describe(place));
  if (!open_barriers.empty() && open_barriers.count(describe(place)) != 0) return value;
  self->state = Fiber::State::kAtBarrier;
  self->place = place;
  self->value = value;
  self->pause();
  return votes_;
}

bool Block::release_barrier() {
  Place place = fibers_[0]->place;
  int votes = 0;
  for (int index = 0; index < num_threads_; ++index) {
    const Fiber& fiber = *fibers_[index];
    if (fiber.state != Fiber::State::kAtBarrier || !same(fiber.place, place)) return false;
    votes += fiber.value != 0;
  }
  votes_ = votes;
  for (int index = 0; index < num_threads_; ++index) fibers_[index]->state = Fiber::State::kReady;
  return true;
}

const uint64_t* Block::exchange(unsigned mask, uint64_t value, Place place) {
  Fiber* self = current_;
  self->state = Fiber::State::kInWarp;
  self->place = place;
  self->value = value;
  self->mask = mask;
  self->pause();
  return warps_[static_cast<size_t>(self->index) / kWarpLanes].published;
}

// Let the lanes of one exchange go when all of them have come to it. The values are copied first: a lane that
// goes on may bring its next one before another has read this one.
void Block::release_warp(int first) {
  const int lanes = std::min(kWarpLanes, num_threads_ - first);
  for (int lane = 0; lane < lanes; ++lane) {
    const Fiber& one = *fibers_[first + lane];
    if (one.state != Fiber::State::kInWarp) continue;
    bool complete = true;
    for (int other = 0; other < kWarpLanes; ++other) {
      if (!(one.mask >> other & 1)) continue;
      complete = complete && other < lanes && fibers_[first + other]->state == Fiber::State::kInWarp &&
                 fibers_[first + other]->mask == one.mask && same(fibers_[first + other]->place, one.place);
    }
    if (!complete) continue;
    const unsigned mask = one.mask;
    if (first == 0) ++first_warp_waits_;
    uint64_t* published = warps_[static_cast<size_t>(first) / kWarpLanes].published;
    for (int other = 0; other < lanes; ++other) {
      if (!(mask >> other & 1)) continue;
      published[other] = fibers_[first + other]->value;
      fibers_[first + other]->state = Fiber::State::kReady;
    }
    return;
  }
}

void Block::report_stuck() const {
  std::set<std::string> places;
  int waiting = 0;
  for (int index = 0; index < num_threads_; ++index) {
    const Fiber& fiber = *fibers_[index];
    if (fiber.state == Fiber::State::kFinished) continue;
    ++waiting;
    places.insert(describe(fiber.place) + (fiber.state == Fiber::State::kInWarp ? " (lanes of a warp)" : ""));
  }
  std::string text = std::to_string(waiting) + " of " + std::to_string(num_threads_) +
                     " threads wait for threads that do not come, at";
  for (const std::string& place : places) text += " " + place;
  throw Fault{text};
}

void report(const char* fault) { throw Fault{fault}; }

void Block::FreeShared::operator()(void* memory) const { ::operator delete(memory, kSharedAlignment); }

void* Block::shared_memory(size_t bytes) {
  if (shared_ == nullptr) {
    if (bytes > kMostSharedBytes)
      throw Fault{std::to_string(bytes) + " bytes of shared memory, more than a block has"};
    shared_.reset(::operator new(bytes, kSharedAlignment));
    std::memset(shared_.get(), kGarbage, bytes);
    shared_bytes_ = bytes;
  }
  if (bytes != shared_bytes_) throw Fault{"a kernel has two structures of shared memory"};
  return shared_.get();
}

}  // namespace pitome_host
