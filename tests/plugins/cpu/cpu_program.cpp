// Runs the operator's core for the CPU as a library of its own.
//
// targets: the instruction sets that this build has and this CPU runs, one a line, the best first.
// merge SET THREADS [CALLERS]: every case on stdin, the results to stdout; by CALLERS threads at once that
// share
//   one pool, each with every case, and they must agree.
// time SET THREADS B N C D M r [REPEATS]: microseconds of one merge, the least and the median.
//
// A case is the eleven attributes, then B, N, C, D and the type, four bytes each, then x, metric and size; a
// result is y, size_out and assignment. Nothing but bytes, in the machine's order.
#include <hwy/targets.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/merge.h"
#include "thread_pool.h"

namespace {

using pitome::cpu::DataType;
using pitome::cpu::Parameters;
using pitome::cpu::Shape;
using pitome::cpu::Tensors;

void require(bool met, const std::string& what) {
  if (!met) throw std::runtime_error("expected " + what);
}

// The sets that were compiled and that this CPU has.
std::vector<int64_t> targets() {
  std::vector<int64_t> found;
  int64_t left = HWY_TARGETS & (hwy::SupportedTargets() | HWY_SCALAR);
  for (; left != 0; left &= left - 1) found.push_back(left & -left);
  return found;
}

void use_target(const std::string& name) {
  for (int64_t target : targets()) {
    if (name != hwy::TargetName(target)) continue;
    hwy::SetSupportedTargetsForTest(target);
    require(name == pitome::cpu::instruction_set(), "the kernels of " + name);
    return;
  }
  throw std::runtime_error("no instruction set " + name + " here");
}

// Exactly so many bytes on the heap, full of ones, which are a NaN as floats.
class Memory {
 public:
  explicit Memory(size_t size)
      : size_(size),
        bytes_(static_cast<char*>(::operator new(size, std::align_val_t{pitome::cpu::kAlignment}))) {
    std::memset(bytes_, 0xff, size);
  }
  Memory(Memory&& other) noexcept : size_(other.size_), bytes_(other.bytes_) { other.bytes_ = nullptr; }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { ::operator delete(bytes_, std::align_val_t{pitome::cpu::kAlignment}); }
  char* data() const { return bytes_; }
  size_t size() const { return size_; }
  bool operator==(const Memory& other) const {
    return size_ == other.size_ && std::memcmp(bytes_, other.bytes_, size_) == 0;
  }

 private:
  size_t size_;
  char* bytes_;
};

struct Case {
  Parameters parameters;
  Shape shape;
  std::vector<Memory> inputs;  // x, metric, size
};

size_t value_bytes(DataType type) { return type == DataType::kFloat32 ? 4 : 2; }

std::vector<size_t> input_bytes(const Shape& shape) {
  const size_t rows = static_cast<size_t>(shape.batch * shape.num_tokens), bytes = value_bytes(shape.type);
  return {rows * static_cast<size_t>(shape.width) * bytes,
          rows * static_cast<size_t>(shape.metric_width) * bytes, rows * sizeof(float)};
}

bool read_case(Case* read) {
  int32_t numbers[5];
  if (std::fread(&read->parameters, 1, sizeof read->parameters, stdin) != sizeof read->parameters)
    return false;
  require(std::fread(numbers, 1, sizeof numbers, stdin) == sizeof numbers, "a shape on stdin");
  read->shape = {numbers[0], numbers[1], numbers[2], numbers[3], static_cast<DataType>(numbers[4])};
  for (size_t bytes : input_bytes(read->shape)) {
    read->inputs.emplace_back(bytes);
    require(std::fread(read->inputs.back().data(), 1, bytes, stdin) == bytes, "more bytes on stdin");
  }
  return true;
}

std::vector<Memory> run(const Case& merge, pitome::cpu::ThreadPool& pool) {
  const std::string reason = pitome::cpu::refusal(merge.parameters, merge.shape);
  require(reason.empty(), "a case within the contract: " + reason);
  const size_t batch = static_cast<size_t>(merge.shape.batch);
  const size_t kept = static_cast<size_t>(merge.shape.num_tokens - merge.parameters.num_merged);
  std::vector<Memory> outputs;
  outputs.emplace_back(batch * kept * static_cast<size_t>(merge.shape.width) * value_bytes(merge.shape.type));
  outputs.emplace_back(batch * kept * sizeof(float));
  outputs.emplace_back(batch * static_cast<size_t>(merge.shape.num_tokens) * sizeof(int32_t));
  Memory workspace(pitome::cpu::workspace_size(merge.parameters, merge.shape, pool));
  const Tensors tensors{merge.inputs[0].data(),
                        merge.inputs[1].data(),
                        reinterpret_cast<const float*>(merge.inputs[2].data()),
                        outputs[0].data(),
                        reinterpret_cast<float*>(outputs[1].data()),
                        reinterpret_cast<int32_t*>(outputs[2].data())};
  pitome::cpu::merge(merge.parameters, merge.shape, tensors, workspace.data(), pool);
  return outputs;
}

using Results = std::vector<std::vector<Memory>>;

Results run_all(const std::vector<Case>& cases, pitome::cpu::ThreadPool& pool) {
  Results results;
  for (const Case& merge : cases) results.push_back(run(merge, pool));
  return results;
}

void run_merges(int threads, int callers) {
  std::vector<Case> cases;
  for (Case next; read_case(&next); next = Case()) cases.push_back(std::move(next));
  WorkerPool pool(threads);
  std::vector<Results> all(static_cast<size_t>(callers));
  std::vector<std::thread> others;
  for (size_t caller = 1; caller < all.size(); ++caller) {
    others.emplace_back([&, caller] { all[caller] = run_all(cases, pool); });
  }
  all[0] = run_all(cases, pool);
  for (std::thread& other : others) other.join();
  for (const Results& results : all) require(results == all[0], "every caller to get the same");
  for (const std::vector<Memory>& outputs : all[0]) {
    for (const Memory& output : outputs) {
      require(std::fwrite(output.data(), 1, output.size(), stdout) == output.size(),
              "stdout to take the results");
    }
  }
}

Case random_case(const std::vector<int>& numbers) {
  Case made;
  made.shape = {numbers[0], numbers[1], numbers[2], numbers[3], DataType::kFloat32};
  made.parameters = {numbers[5], numbers[4], 1, 0.9F, 0.9F, 1.0F, 1.0F, 0.05F, {}, {}, {}};
  std::mt19937 random(0);
  std::normal_distribution<float> normal;
  for (size_t bytes : input_bytes(made.shape)) {
    made.inputs.emplace_back(bytes);
    float* values = reinterpret_cast<float*>(made.inputs.back().data());
    for (size_t index = 0; index < bytes / sizeof(float); ++index) values[index] = normal(random);
  }
  float* sizes = reinterpret_cast<float*>(made.inputs[2].data());
  std::fill_n(sizes, made.inputs[2].size() / sizeof(float), 1.0F);
  return made;
}

void print_times(int threads, const std::vector<int>& numbers, int repeats) {
  const Case merge = random_case(numbers);
  WorkerPool pool(threads);
  Memory workspace(pitome::cpu::workspace_size(merge.parameters, merge.shape, pool));
  const std::vector<Memory> outputs = run(merge, pool);
  const Tensors tensors{merge.inputs[0].data(),
                        merge.inputs[1].data(),
                        reinterpret_cast<const float*>(merge.inputs[2].data()),
                        outputs[0].data(),
                        reinterpret_cast<float*>(outputs[1].data()),
                        reinterpret_cast<int32_t*>(outputs[2].data())};
  std::vector<double> times;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    pitome::cpu::merge(merge.parameters, merge.shape, tensors, workspace.data(), pool);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    times.push_back(took.count());
  }
  std::sort(times.begin(), times.end());
  std::printf("%.1f %.1f\n", times.front(), times[times.size() / 2]);
}

void dispatch(const std::vector<std::string>& words) {
  require(!words.empty(), "targets, merge or time");
  if (words[0] == "targets") {
    for (int64_t target : targets()) std::printf("%s\n", hwy::TargetName(target));
    return;
  }
  require(words.size() >= 3, words[0] + " SET THREADS");
  use_target(words[1]);
  const int threads = std::stoi(words[2]);
  if (words[0] == "merge") return run_merges(threads, words.size() > 3 ? std::stoi(words[3]) : 1);
  require(words[0] == "time" && words.size() >= 9, "time SET THREADS B N C D M r");
  std::vector<int> numbers;
  for (size_t index = 3; index < 9; ++index) numbers.push_back(std::stoi(words[index]));
  print_times(threads, numbers, words.size() > 9 ? std::stoi(words[9]) : 200);
}

}  // namespace

int main(int argument_count, char** arguments) {
  try {
    dispatch(std::vector<std::string>(arguments + 1, arguments + argument_count));
    return std::fflush(stdout) == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cpu_program: %s\n", error.what());
    return 1;
  }
}
