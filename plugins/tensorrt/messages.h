// Where messages go: TensorRT's logger where it can be called, else stderr.
#pragma once

#include <NvInferRuntime.h>

namespace pitome {

// From now on, ask `finder` for the logger. Null, or a finder of another major version: stderr.
void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept;

// Report one error, of the place where it happened. Allocates nothing and can be called from any thread.
void report(const char* place, const char* message) noexcept;

}  // namespace pitome
