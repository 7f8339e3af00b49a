// Dimension expressions, as TensorRT's builder makes them: known numbers, unknown ones, and sums of both.
#pragma once

#include <NvInferRuntime.h>

#include <memory>
#include <vector>

#include "require.h"

// A number, or `scale` times the one unknown plus a number: enough for what the plugin may ask for.
class Expression final : public nvinfer1::IDimensionExpr, private nvinfer1::apiv::VDimensionExpr {
 public:
  Expression(int64_t scale, int64_t offset) : scale_(scale), offset_(offset) { mImpl = this; }
  ~Expression() noexcept override = default;

  int64_t value(int64_t unknown) const { return scale_ * unknown + offset_; }
  int64_t scale() const { return scale_; }
  int64_t offset() const { return offset_; }

 private:
  bool isConstant() const override { return scale_ == 0; }
  int64_t getConstantValue() const override { return offset_; }
  bool isSizeTensor() const override { return false; }

  int64_t scale_;
  int64_t offset_;
};

class ExpressionBuilder final : public nvinfer1::IExprBuilder, private nvinfer1::apiv::VExprBuilder {
 public:
  ExpressionBuilder() { mImpl = this; }
  ~ExpressionBuilder() noexcept override = default;

  // A negative extent becomes the unknown.
  const nvinfer1::IDimensionExpr* extent(int64_t value) { return value < 0 ? make(1, 0) : make(0, value); }
  nvinfer1::DimsExprs shape(const nvinfer1::Dims& dims) {
    nvinfer1::DimsExprs result{dims.nbDims, {}};
    for (int32_t axis = 0; axis < dims.nbDims; ++axis) result.d[axis] = extent(dims.d[axis]);
    return result;
  }

 private:
  const nvinfer1::IDimensionExpr* constant(int64_t value) override { return make(0, value); }
  const nvinfer1::IDimensionExpr* operation(nvinfer1::DimensionOperation operation,
                                            const nvinfer1::IDimensionExpr& first,
                                            const nvinfer1::IDimensionExpr& second) override {
    require(operation == nvinfer1::DimensionOperation::kSUB, "no operation but kSUB");
    const auto& left = static_cast<const Expression&>(first);
    const auto& right = static_cast<const Expression&>(second);
    return make(left.scale() - right.scale(), left.offset() - right.offset());
  }
  const nvinfer1::IDimensionExpr* declareSizeTensor(int32_t, const nvinfer1::IDimensionExpr&,
                                                    const nvinfer1::IDimensionExpr&) override {
    require(false, "no size tensor");
    return nullptr;
  }

  const nvinfer1::IDimensionExpr* make(int64_t scale, int64_t offset) {
    made_.push_back(std::make_unique<Expression>(scale, offset));
    return made_.back().get();
  }

  std::vector<std::unique_ptr<Expression>> made_;
};

inline nvinfer1::Dims evaluate(const nvinfer1::DimsExprs& shape, int64_t unknown) {
  nvinfer1::Dims dims{shape.nbDims, {}};
  for (int32_t axis = 0; axis < shape.nbDims; ++axis) {
    dims.d[axis] = static_cast<const Expression*>(shape.d[axis])->value(unknown);
  }
  return dims;
}
