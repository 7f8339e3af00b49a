// A place in the code on some stack, to go on from later.
//
// ucontext does this everywhere, with two system calls for the signal mask, which no kernel changes; they
// would be most of the time of a kernel here. So x86-64 has its own few instructions, but for the sanitized
// build.
#pragma once

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__) || defined(__SANITIZE_ADDRESS__)
#define PITOME_HOST_UCONTEXT
#include <ucontext.h>
#endif

namespace pitome_host {

#if defined(PITOME_HOST_UCONTEXT)

class StackSwitch {
 public:
  // Go on in `entry` on this stack; it must not return.
  void prepare(void* stack, size_t bytes, void (*entry)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = bytes;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
  }

  // Leave the code that runs in `from`, and go on with this.
  void resume(StackSwitch& from) { swapcontext(&from.context_, &context_); }

 private:
  ucontext_t context_ = {};
};

#else

// Save the callee-saved registers on the stack and its pointer in *from, and do the reverse with `to`.
extern "C" void pitome_host_switch_stack(void** from, void* to);

class StackSwitch {
 public:
  void prepare(void* stack, size_t bytes, void (*entry)()) {
    constexpr int kSavedRegisters = 6;
    // One word below a multiple of 16 when `entry` begins, as if it had been called.
    void** top = reinterpret_cast<void**>(static_cast<char*>(stack) + bytes) - 2;
    *top = reinterpret_cast<void*>(entry);
    for (int index = 0; index < kSavedRegisters; ++index) *--top = nullptr;
    pointer_ = top;
  }

  void resume(StackSwitch& from) { pitome_host_switch_stack(&from.pointer_, pointer_); }

 private:
  void* pointer_ = nullptr;
};

#endif

}  // namespace pitome_host
