// The attributes of a node pitome::EnergyMerge (docs/DESIGN.md, "The operator").
#pragma once

#include "api.h"
#include "cpu/merge.h"

namespace pitome::ort {

// Reads and checks all of them, the strings' integer twins too.
//
// Raises Failure where one is missing, of another type, outside the contract, or where a twin says something
// else than its string.
cpu::Parameters read_parameters(const OrtApi& api, const OrtKernelInfo* info);

}  // namespace pitome::ort
