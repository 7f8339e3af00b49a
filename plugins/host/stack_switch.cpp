#include "stack_switch.h"

#if !defined(PITOME_HOST_UCONTEXT)

// System V ABI for x86-64, section 3.2.1: a function keeps rbx, rbp, r12 to r15 and rsp.
asm(R"(
.text
.globl pitome_host_switch_stack
.hidden pitome_host_switch_stack
.type pitome_host_switch_stack, @function
pitome_host_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size pitome_host_switch_stack, . - pitome_host_switch_stack
)");

#endif
