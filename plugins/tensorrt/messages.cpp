#include "messages.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace pitome {
namespace {

using VersionFunction = int32_t (*)();

constexpr char kVersionSymbol[] = "getInferLibVersion";
constexpr size_t kMessageSize = 1536;

std::atomic<nvinfer1::ILoggerFinder*> logger_finder{nullptr};

int32_t major_version(void* symbol) {
  VersionFunction version;
  std::memcpy(&version, &symbol, sizeof version);
  return version() / 10000;
}

// The version of the TensorRT whose code `finder` runs, or -1. Several may be in one process, so the library
// that holds the finder's virtual table is asked first: the table's address is the first word of the object.
int32_t runtime_major_version(nvinfer1::ILoggerFinder* finder) {
  void* virtual_table;
  std::memcpy(&virtual_table, static_cast<void*>(finder), sizeof virtual_table);
  Dl_info origin;
  if (dladdr(virtual_table, &origin) != 0 && origin.dli_fname != nullptr) {
    if (void* library = dlopen(origin.dli_fname, RTLD_LAZY | RTLD_NOLOAD)) {
      void* symbol = dlsym(library, kVersionSymbol);
      int32_t version = symbol == nullptr ? -1 : major_version(symbol);
      dlclose(library);  // only gives back the reference that RTLD_NOLOAD took
      if (version >= 0) return version;
    }
  }
  void* symbol = dlsym(RTLD_DEFAULT, kVersionSymbol);
  return symbol == nullptr ? -1 : major_version(symbol);
}

nvinfer1::ILogger* find_logger() {
  nvinfer1::ILoggerFinder* finder = logger_finder.load(std::memory_order_acquire);
  return finder == nullptr ? nullptr : finder->findLogger();
}

}  // namespace

// The virtual tables of ILoggerFinder and ILogger differ between major versions of TensorRT: a call through
// the wrong one crashes. So a finder is only kept where the runtime's version is that of the headers.
void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept {
  bool callable = finder != nullptr && runtime_major_version(finder) == NV_TENSORRT_MAJOR;
  logger_finder.store(callable ? finder : nullptr, std::memory_order_release);
}

void report(const char* place, const char* message) noexcept {
  char text[kMessageSize];
  std::snprintf(text, sizeof text, "pitome::EnergyMerge, %s: %s", place, message);
  try {
    if (nvinfer1::ILogger* logger = find_logger()) {
      logger->log(nvinfer1::ILogger::Severity::kERROR, text);
      return;
    }
  } catch (...) {  // findLogger is not noexcept
  }
  std::fprintf(stderr, "%s\n", text);
}

}  // namespace pitome
