#include "tensors.h"

#include <algorithm>
#include <limits>
#include <string>

#include "quote.h"
#include "refusal.h"

namespace pitome {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;

constexpr size_t kMessageSize = 512;

std::string type_name(DataType type) {
  switch (type) {
    case DataType::kFLOAT:
      return "float32";
    case DataType::kHALF:
      return "float16";
    case DataType::kBF16:
      return "bfloat16";
    case DataType::kINT8:
      return "int8";
    case DataType::kINT32:
      return "int32";
    case DataType::kINT64:
      return "int64";
    case DataType::kFP8:
      return "float8";
    default:
      return "type number " + std::to_string(static_cast<int32_t>(type));
  }
}

int32_t c_type(DataType type) {
  switch (type) {
    case DataType::kHALF:
      return PITOME_FLOAT16;
    case DataType::kBF16:
      return PITOME_BFLOAT16;
    default:
      return PITOME_FLOAT32;
  }
}

bool agree(int64_t first, int64_t second) { return first < 0 || second < 0 || first == second; }

bool fits(const InputShapes& inputs) {
  const Dims &x = inputs.x, &metric = inputs.metric, &size = inputs.size;
  if (x.nbDims != 3 || metric.nbDims != 3 || size.nbDims != 3) return false;
  for (int32_t axis : {0, 1}) {
    if (!agree(x.d[axis], metric.d[axis]) || !agree(x.d[axis], size.d[axis]) ||
        !agree(metric.d[axis], size.d[axis])) {
      return false;
    }
  }
  return agree(size.d[2], 1);
}

int32_t narrow(int64_t extent) {
  if (extent > std::numeric_limits<int32_t>::max()) {
    throw Refusal("tensors of at most 2^31 - 1 in every dimension", "one has " + std::to_string(extent),
                  "Split the batch");
  }
  return static_cast<int32_t>(std::max<int64_t>(extent, -1));
}

// The one of two extents that agree which is known.
int64_t known(int64_t first, int64_t second) { return std::max(first, second); }

pitome_merge_shape merged_shape(const InputShapes& inputs, DataType type) {
  if (!fits(inputs)) {
    throw Refusal("inputs x [B, N, C], metric [B, N, D] and size [B, N, 1]",
                  "their shapes are " + to_text(inputs.x) + ", " + to_text(inputs.metric) + " and " +
                      to_text(inputs.size),
                  "Give all three the same B and N");
  }
  const int64_t *x = inputs.x.d, *metric = inputs.metric.d, *size = inputs.size.d;
  return {narrow(known(known(x[0], metric[0]), size[0])), narrow(known(known(x[1], metric[1]), size[1])),
          narrow(x[2]), narrow(metric[2]), c_type(type)};
}

void check_shape(const pitome_merge_parameters& parameters, const pitome_merge_shape& shape) {
  char message[kMessageSize] = "";
  if (pitome_merge_check(&parameters, &shape, message, sizeof message) != PITOME_OK) throw Refusal(message);
}

}  // namespace

bool is_merged_type(DataType type) {
  return type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
}

void check_counts(int32_t num_inputs, int32_t num_outputs) {
  if (num_inputs == kNumInputs && num_outputs == kNumOutputs) return;
  throw Refusal("3 inputs (x, metric, size) and 3 outputs (y, size_out, assignment)",
                "there are " + std::to_string(num_inputs) + " and " + std::to_string(num_outputs),
                "Connect exactly these");
}

void check_types(DataType x, DataType metric, DataType size) {
  if (is_merged_type(x) && metric == x && size == DataType::kFLOAT) return;
  throw Refusal("x and metric both float32, float16 or bfloat16, and size float32",
                "they are " + type_name(x) + ", " + type_name(metric) + " and " + type_name(size),
                "Cast them in front of the operator");
}

DataType type_of(int32_t tensor, DataType x) {
  switch (tensor) {
    case kSize:
    case kSizeOut:
      return DataType::kFLOAT;
    case kAssignment:
      return DataType::kINT32;
    default:
      return x;
  }
}

pitome_merge_shape planned_shape(const pitome_merge_parameters& parameters, const InputShapes& inputs,
                                 DataType type) {
  pitome_merge_shape shape = merged_shape(inputs, type);
  if (shape.batch < 0) shape.batch = 1;
  if (shape.num_tokens >= 0 && shape.width >= 0 && shape.metric_width >= 0) check_shape(parameters, shape);
  return shape;
}

pitome_merge_shape actual_shape(const pitome_merge_parameters& parameters, const InputShapes& inputs,
                                DataType type) {
  pitome_merge_shape shape = merged_shape(inputs, type);
  check_shape(parameters, shape);
  return shape;
}

}  // namespace pitome
