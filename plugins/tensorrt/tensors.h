// What TensorRT says about the plugin's tensors, checked and as the C interface takes it.
#pragma once

#include <NvInferRuntime.h>
#include <pitome_merge.h>

namespace pitome {

// Positions of the tensors; TensorRT numbers outputs after inputs.
enum Tensor : int32_t { kX, kMetric, kSize, kY, kSizeOut, kAssignment };
constexpr int32_t kNumInputs = 3;
constexpr int32_t kNumOutputs = 3;

// Shapes of the inputs; -1 stands for an extent that is not known yet.
struct InputShapes {
  nvinfer1::Dims x;
  nvinfer1::Dims metric;
  nvinfer1::Dims size;
};

// All of these throw Refusal.

void check_counts(int32_t num_inputs, int32_t num_outputs);

// Of x, metric and size together.
void check_types(nvinfer1::DataType x, nvinfer1::DataType metric, nvinfer1::DataType size);

// The type of every tensor where x has this one.
nvinfer1::DataType type_of(int32_t tensor, nvinfer1::DataType x);

// The shape of the merge; checked against each other and, where N, C and D are known, the parameters. An
// unknown batch counts as 1.
pitome_merge_shape planned_shape(const pitome_merge_parameters& parameters, const InputShapes& inputs,
                                 nvinfer1::DataType type);

// The same where a kernel is to run: every extent must be known.
pitome_merge_shape actual_shape(const pitome_merge_parameters& parameters, const InputShapes& inputs,
                                nvinfer1::DataType type);

bool is_merged_type(nvinfer1::DataType type);

}  // namespace pitome
