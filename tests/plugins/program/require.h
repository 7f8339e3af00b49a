// What must hold, in the programs that test the plugin.
#pragma once

#include <stdexcept>
#include <string>

// Throws with what was expected; main prints it and exits with 1.
inline void require(bool holds, const std::string& expected) {
  if (!holds) throw std::runtime_error("expected " + expected);
}
