#include "cpu_kernel.h"

#include <sched.h>

#include <algorithm>
#include <thread>

#include "attributes.h"
#include "tensors.h"

namespace pitome::ort {
namespace {

// The CPUs that this process may use. onnxruntime does not tell a node how many threads its session has.
int usable_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// The threads of the session that runs the node.
class SessionPool final : public cpu::ThreadPool {
 public:
  SessionPool(const OrtApi& api, const OrtKernelContext* context) : api_(api), context_(context) {}

  int concurrency() const override {
    static const int count = usable_cpus();
    return count;
  }

  void parallel_for(int64_t count, const std::function<void(int64_t)>& work) override {
    // As many batches as items: threads take one after another, and none waits for another's share.
    const size_t total = static_cast<size_t>(count);
    void* user = const_cast<void*>(static_cast<const void*>(&work));
    check(api_, api_.KernelContext_ParallelFor(context_, run_one, total, total, user));
  }

 private:
  static void run_one(void* user, size_t index) {
    (*static_cast<const std::function<void(int64_t)>*>(user))(static_cast<int64_t>(index));
  }

  const OrtApi& api_;
  const OrtKernelContext* context_;
};

// Memory of the session's arena for one call.
class Scratch {
 public:
  Scratch(const OrtApi& api, const OrtKernelContext* context, const OrtMemoryInfo* memory, size_t size)
      : api_(api) {
    check(api, api.KernelContext_GetAllocator(context, memory, &allocator_));
    begin_ = allocator_->Alloc(allocator_, size + cpu::kAlignment);
    if (begin_ == nullptr) {
      api.ReleaseAllocator(allocator_);
      throw Failure("onnxruntime has no " + std::to_string(size) + " bytes for it. Use a smaller batch.");
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    allocator_->Free(allocator_, begin_);
    api_.ReleaseAllocator(allocator_);
  }

  void* data() const {
    const uintptr_t address = reinterpret_cast<uintptr_t>(begin_) + cpu::kAlignment - 1;
    return reinterpret_cast<void*>(address / cpu::kAlignment * cpu::kAlignment);
  }

 private:
  const OrtApi& api_;
  OrtAllocator* allocator_ = nullptr;
  void* begin_ = nullptr;
};

}  // namespace

CpuKernel::CpuKernel(const OrtApi& api, const OrtKernelInfo* info, cpu::DataType type)
    : Kernel(api), parameters_(read_parameters(api, info)), type_(type) {
  check(api, api.CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory_));
}

CpuKernel::~CpuKernel() { api_.ReleaseMemoryInfo(memory_); }

void CpuKernel::compute(OrtKernelContext* context) const {
  const cpu::Shape shape = read_shape(api_, context, parameters_, type_);
  const cpu::Tensors tensors = open_tensors(api_, context, parameters_, shape);
  SessionPool pool(api_, context);
  const Scratch scratch(api_, context, memory_, cpu::workspace_size(parameters_, shape, pool));
  cpu::merge(parameters_, shape, tensors, scratch.data(), pool);
}

}  // namespace pitome::ort
