// What went wrong, said as everywhere in pitome: what was asked, what was found, and what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace pitome::example {

class Failure : public std::runtime_error {
 public:
  Failure(const std::string& asked, const std::string& found, const std::string& remedy)
      : std::runtime_error(asked + ": " + found + ". " + remedy) {}
};

}  // namespace pitome::example
