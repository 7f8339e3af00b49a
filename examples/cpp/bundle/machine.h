// Whether this machine can load a native library of a bundle, before it does.
#pragma once

#include <string>

#include "manifest.h"

namespace pitome::example {

// Throws Failure where the library is for another processor or a newer C library; `remedy` says what to do
// then.
void check_machine(const NativeRecord& library, const std::string& remedy);

// Whether a version such as "2.36" is below another, by its first two numbers.
bool is_older(const std::string& version, const std::string& wanted);

}  // namespace pitome::example
