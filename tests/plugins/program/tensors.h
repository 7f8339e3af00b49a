// The tensors of one merge as TensorRT describes them, and memory for them.
#pragma once

#include <NvInferRuntime.h>
#include <pitome_merge.h>

#include <cstring>
#include <initializer_list>
#include <memory>

constexpr int32_t kInputs = 3;
constexpr int32_t kTensors = 6;  // x, metric, size, y, size_out, assignment

inline nvinfer1::Dims make_dims(std::initializer_list<int64_t> extents) {
  nvinfer1::Dims dims{static_cast<int32_t>(extents.size()), {}};
  std::memcpy(dims.d, extents.begin(), extents.size() * sizeof(int64_t));
  return dims;
}

inline bool equal(const nvinfer1::Dims& first, const nvinfer1::Dims& second) {
  return first.nbDims == second.nbDims &&
         std::memcmp(first.d, second.d, static_cast<size_t>(first.nbDims) * sizeof(int64_t)) == 0;
}

inline nvinfer1::DataType data_type(int32_t dtype) {
  switch (dtype) {
    case PITOME_FLOAT16:
      return nvinfer1::DataType::kHALF;
    case PITOME_BFLOAT16:
      return nvinfer1::DataType::kBF16;
    default:
      return nvinfer1::DataType::kFLOAT;
  }
}

// Descriptions of all six, for a batch of this size (-1: not known).
struct Descriptions {
  Descriptions(const pitome_merge_parameters& parameters, const pitome_merge_shape& shape, int64_t batch) {
    int64_t tokens = shape.num_tokens, kept = tokens - parameters.num_merged;
    nvinfer1::DataType type = data_type(shape.dtype);
    set(0, type, make_dims({batch, tokens, shape.width}));
    set(1, type, make_dims({batch, tokens, shape.metric_width}));
    set(2, nvinfer1::DataType::kFLOAT, make_dims({batch, tokens, 1}));
    set(3, type, make_dims({batch, kept, shape.width}));
    set(4, nvinfer1::DataType::kFLOAT, make_dims({batch, kept, 1}));
    set(5, nvinfer1::DataType::kINT32, make_dims({batch, tokens}));
  }

  nvinfer1::PluginTensorDesc all[kTensors];

 private:
  void set(int32_t index, nvinfer1::DataType type, const nvinfer1::Dims& dims) {
    all[index] = {dims, type, nvinfer1::TensorFormat::kLINEAR, -1.0F};
  }
};

inline size_t bytes_of(const nvinfer1::PluginTensorDesc& tensor) {
  bool half = tensor.type == nvinfer1::DataType::kHALF || tensor.type == nvinfer1::DataType::kBF16;
  size_t bytes = half ? 2 : 4;
  for (int32_t axis = 0; axis < tensor.dims.nbDims; ++axis) bytes *= static_cast<size_t>(tensor.dims.d[axis]);
  return bytes;
}

// Exactly so many bytes on the heap, full of ones, which are a NaN as floats.
class Memory {
 public:
  explicit Memory(size_t size) : size_(size), bytes_(new char[size]) {
    std::memset(bytes_.get(), 0xff, size);
  }
  char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }

 private:
  size_t size_;
  std::unique_ptr<char[]> bytes_;
};
