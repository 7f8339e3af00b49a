// Inside the plugin a refusal is an exception; TensorRT's entry points are noexcept and only return.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "messages.h"

namespace pitome {

// What was asked, what was found, and what to do.
class Refusal : public std::runtime_error {
 public:
  Refusal(const std::string& asked, const std::string& found, const std::string& remedy)
      : std::runtime_error(asked + ": " + found + ". " + remedy) {}
  // A message of the C interface, which says all three already.
  explicit Refusal(const char* message) : std::runtime_error(message) {}
};

// The result of `body`; where it throws, one message that starts with `place`, and `refused`.
template <typename Result, typename Body>
Result guarded(const char* place, Result refused, Body body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    report(place, "memory on the host: none is left. Free some and try again");
  } catch (const std::exception& error) {
    report(place, error.what());
  } catch (...) {
    report(place, "an exception of unknown type. Please report this as a defect");
  }
  return refused;
}

}  // namespace pitome
