// Loads a plugin library as TensorRT does and puts its creator and its plugin to the test, without TensorRT:
//
//   plugin_program LIBRARY merge SEED < cases > results
//   plugin_program LIBRARY fuzz SEED COUNT
//   plugin_program LIBRARY describe < collection
//   plugin_program LIBRARY messages
//   plugin_program LIBRARY memory
//
// Exit code 1 and a line on stderr where something is not as it must be. plugin_program.py drives it.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>

#include "program/describe_mode.h"
#include "program/fuzz_mode.h"
#include "program/library.h"
#include "program/memory_mode.h"
#include "program/merge_mode.h"
#include "program/messages_mode.h"

// The symbol by which the plugin finds out whose logger it may call. As TensorRT's, but of any version.
extern "C" __attribute__((visibility("default"))) int32_t getInferLibVersion() noexcept {
  return reported_version();
}

// The plugin library uses these too: that is how its memory is made to run out. Inlined, gcc 12 takes new and
// free for a mismatch.
__attribute__((noinline)) void* operator new(size_t size) {
  int64_t& left = allocations_left();
  if (left == 0) throw std::bad_alloc();
  if (left > 0) --left;
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace {

int run(int count, char** words) {
  std::string mode = count > 2 ? words[2] : "";
  if (count < 2) throw std::runtime_error("expected LIBRARY MODE");
  Library library(words[1]);
  if (mode == "merge" && count == 4) {
    run_merges(library, std::stoull(words[3]));
  } else if (mode == "fuzz" && count == 5) {
    fuzz(library, std::stoull(words[3]), std::stoll(words[4]));
  } else if (mode == "describe" && count == 3) {
    describe(library);
  } else if (mode == "messages" && count == 3) {
    MessageScenarios(library).run();
  } else if (mode == "memory" && count == 3) {
    MemoryScenarios(library).run();
  } else {
    throw std::runtime_error("expected a mode of those in plugin_program.cpp, not '" + mode + "'");
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(count, words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
