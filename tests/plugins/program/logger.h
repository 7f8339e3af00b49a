// A TensorRT logger that counts, and the version of the TensorRT that this program says it is.
#pragma once

#include <NvInferRuntime.h>

#include <cstdio>

// What getInferLibVersion returns; the program exports that symbol as TensorRT's library does.
inline int32_t& reported_version() {
  static int32_t version = NV_TENSORRT_VERSION;
  return version;
}

// Allocates nothing, so that it works while memory is made to run out.
class CountingLogger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override {
    ++count_;
    severity_ = severity;
    std::snprintf(last_, sizeof last_, "%s", message);
  }
  void clear() {
    count_ = 0;
    last_[0] = '\0';
  }
  int32_t count() const { return count_; }
  const char* last() const { return last_; }
  bool one_error() const { return count_ == 1 && severity_ == Severity::kERROR && last_[0] != '\0'; }

 private:
  int32_t count_ = 0;
  Severity severity_ = Severity::kVERBOSE;
  char last_[4096] = "";
};

class CountingFinder final : public nvinfer1::ILoggerFinder {
 public:
  explicit CountingFinder(nvinfer1::ILogger* logger) : logger_(logger) {}
  nvinfer1::ILogger* findLogger() override {
    ++count_;
    return logger_;
  }
  int32_t count() const { return count_; }

 private:
  nvinfer1::ILogger* logger_;
  int32_t count_ = 0;
};
