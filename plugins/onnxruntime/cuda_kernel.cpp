#include "cuda_kernel.h"

#include <climits>

#include "attributes.h"
#include "tensors.h"

namespace pitome::ort {
namespace {

constexpr size_t kMessageSize = 512;

// The C interface numbers them as the core for the CPU does.
static_assert(static_cast<int32_t>(cpu::Order::kPosition) == PITOME_ORDER_POSITION);
static_assert(static_cast<int32_t>(cpu::Function::kGaussian) == PITOME_FUNCTION_GAUSSIAN);
static_assert(static_cast<int32_t>(cpu::Split::kAlternateSecond) == PITOME_SPLIT_ALTERNATE_SECOND);
static_assert(static_cast<int32_t>(cpu::Split::kHalf) == PITOME_SPLIT_HALF);
static_assert(static_cast<int32_t>(cpu::DataType::kFloat16) == PITOME_FLOAT16);
static_assert(static_cast<int32_t>(cpu::DataType::kBFloat16) == PITOME_BFLOAT16);

pitome_merge_parameters c_parameters(const cpu::Parameters& parameters) {
  return {parameters.num_merged,
          parameters.num_candidates,
          parameters.num_protected,
          parameters.margin,
          parameters.offset,
          parameters.width,
          parameters.alpha,
          parameters.size_penalty,
          static_cast<int32_t>(parameters.order),
          static_cast<int32_t>(parameters.function),
          static_cast<int32_t>(parameters.split)};
}

int32_t narrow(int64_t extent) {
  if (extent > INT32_MAX)
    throw Failure("a tensor has " + std::to_string(extent) + " in one dimension. Split the batch");
  return static_cast<int32_t>(extent);
}

pitome_merge_shape c_shape(const cpu::Shape& shape) {
  return {narrow(shape.batch), narrow(shape.num_tokens), narrow(shape.width), narrow(shape.metric_width),
          static_cast<int32_t>(shape.type)};
}

// Raises Failure with what the C interface said: `call` takes the place for a message and its size.
template <typename Call>
void accepted(const Call& call) {
  char message[kMessageSize] = "";
  if (call(message, sizeof message) != PITOME_OK) throw Failure(message);
}

// Device memory for one call. It is given back while kernels may still wait for their turn: memory that was
// allocated for a stream goes to nobody else before that stream is done with it.
class Workspace {
 public:
  Workspace(const OrtApi& api, const OrtKernelContext* context, OrtAllocator* allocator, void* stream,
            size_t size)
      : allocator_(allocator) {
    if (stream == nullptr) {  // on the CPU, where onnxruntime 1.18 would look for one
      begin_ = allocator->Alloc(allocator, size);
    } else {
      check(api, api.KernelContext_GetScratchBuffer(context, allocator->Info(allocator), size, &begin_));
    }
    if (begin_ == nullptr) {
      throw Failure("onnxruntime has no " + std::to_string(size) + " bytes for it. Use a smaller batch.");
    }
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { allocator_->Free(allocator_, begin_); }

  void* data() const { return begin_; }

 private:
  OrtAllocator* allocator_;
  void* begin_ = nullptr;
};

}  // namespace

CudaKernel::CudaKernel(const OrtApi& api, const OrtKernelInfo* info, cpu::DataType type)
    : Kernel(api), parameters_(read_parameters(api, info)), type_(type), asked_(c_parameters(parameters_)) {
  accepted([&](char* text, size_t size) { return pitome_merge_check_parameters(&asked_, text, size); });
  check(api, api.KernelInfoGetAllocator(info, OrtMemTypeDefault, &allocator_));
}

CudaKernel::~CudaKernel() { api_.ReleaseAllocator(allocator_); }

void CudaKernel::compute(OrtKernelContext* context) const {
  const cpu::Shape found = read_shape(api_, context, parameters_, type_);
  const pitome_merge_shape shape = c_shape(found);
  accepted([&](char* text, size_t size) { return pitome_merge_check(&asked_, &shape, text, size); });
  const cpu::Tensors tensors = open_tensors(api_, context, parameters_, found);
  if (shape.batch == 0) return;
  void* stream = nullptr;
  check(api_, api_.KernelContext_GetGPUComputeStream(context, &stream));
  const Workspace workspace(api_, context, allocator_, stream, pitome_merge_workspace_size(&asked_, &shape));
  const pitome_merge_tensors places{tensors.x,        tensors.metric,     tensors.size,    tensors.y,
                                    tensors.size_out, tensors.assignment, workspace.data()};
  accepted([&](char* text, size_t size) {
    return pitome_merge_enqueue(&asked_, &shape, &places, stream, text, size);
  });
  after_launch(stream);
}

void CudaKernel::after_launch(void*) const {}

}  // namespace pitome::ort
