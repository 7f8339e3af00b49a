// Compiled once for each instruction set; the CPU's best one is chosen at run time.
#include "kernels.h"

#include <string>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels.cpp"  // found in the folder plugins
#include <hwy/foreach_target.h>               // must come before highway.h
//
#include <hwy/highway.h>

#include "combine-inl.h"
#include "compare-inl.h"
#include "match-inl.h"
#include "pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace pitome::cpu {
namespace HWY_NAMESPACE {

const Kernels& table() {
  static const Kernels kernels{
      hwy::TargetName(HWY_TARGET), kPanel, kRows, pack, compare, average, match, combine};
  return kernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace pitome::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pitome::cpu {

HWY_EXPORT(table);

const Kernels& kernels() { return HWY_DYNAMIC_DISPATCH(table)(); }

const char* instruction_sets() {
  static const std::string names = [] {
    std::string all;
    for (int64_t left = HWY_TARGETS; left != 0; left &= left - 1) {  // the lowest bit is the best one
      all += (all.empty() ? "" : " ") + std::string(hwy::TargetName(left & -left));
    }
    return all;
  }();
  return names.c_str();
}

}  // namespace pitome::cpu
#endif
