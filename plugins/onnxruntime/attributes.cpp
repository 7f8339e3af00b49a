#include "attributes.h"

#include <initializer_list>

namespace pitome::ort {
namespace {

class Attributes {
 public:
  Attributes(const OrtApi& api, const OrtKernelInfo* info) : api_(api), info_(info) {}

  int32_t integer(const char* name) const {
    int64_t value = 0;
    present(name, api_.KernelInfoGetAttribute_int64(info_, name, &value));
    if (value < INT32_MIN || value > INT32_MAX) {
      throw Failure(std::string("the attribute ") + name + " = " + std::to_string(value) +
                    " does not fit 32 bits. Export the model again.");
    }
    return static_cast<int32_t>(value);
  }

  float number(const char* name) const {
    float value = 0.0F;
    present(name, api_.KernelInfoGetAttribute_float(info_, name, &value));
    return value;
  }

  std::string text(const char* name) const {
    size_t size = 0;
    present(name, api_.KernelInfoGetAttribute_string(info_, name, nullptr, &size));
    std::string value(size, '\0');
    present(name, api_.KernelInfoGetAttribute_string(info_, name, value.data(), &size));
    value.resize(size == 0 ? 0 : size - 1);  // the NUL is counted
    return value;
  }

  // The place of the attribute's value among those that it may have.
  template <typename Choice>
  Choice choice(const char* name, std::initializer_list<const char*> values) const {
    const std::string found = text(name);
    std::string known;
    int32_t index = 0;
    for (const char* value : values) {
      if (found == value) return static_cast<Choice>(index);
      known += (known.empty() ? "" : ", ") + std::string(value);
      ++index;
    }
    throw Failure(std::string("the attribute ") + name + " = \"" + found + "\": the operator knows " + known +
                  ". Export the model again, or use a newer library.");
  }

  void twin(const char* name, int32_t expected, const char* of) const {
    const int32_t found = integer(name);
    if (found != expected) {
      throw Failure(std::string("the attribute ") + name + " = " + std::to_string(found) + ": " + of +
                    " makes it " + std::to_string(expected) + ". Export the model again.");
    }
  }

 private:
  void present(const char* name, OrtStatus* status) const {
    if (status == nullptr) return;
    const std::string reason = api_.GetErrorMessage(status);
    api_.ReleaseStatus(status);
    throw Failure(std::string("the attribute ") + name + " is missing or of another type (" + reason +
                  "). Export the model again.");
  }

  const OrtApi& api_;
  const OrtKernelInfo* info_;
};

// What the strings say once more in integers, because strings can't steer the body of an ONNX function.
void check_twins(const Attributes& attributes, const cpu::Parameters& parameters) {
  const int32_t candidates = parameters.num_candidates, half = candidates - candidates / 2;
  attributes.twin("by_position", parameters.order == cpu::Order::kPosition ? 1 : 0, "order");
  const bool halves = parameters.split == cpu::Split::kHalf;
  const bool second = parameters.split == cpu::Split::kAlternateSecond;
  attributes.twin("source_start", second ? 1 : 0, "split");
  attributes.twin("source_stop", halves ? half : candidates, "split");
  attributes.twin("target_start", halves ? half : second ? 0 : 1, "split");
  attributes.twin("target_stop", candidates, "split");
  attributes.twin("split_step", halves ? 1 : 2, "split");
}

}  // namespace

cpu::Parameters read_parameters(const OrtApi& api, const OrtKernelInfo* info) {
  const Attributes attributes(api, info);
  cpu::Parameters parameters;
  parameters.num_merged = attributes.integer("num_merged");
  parameters.num_candidates = attributes.integer("num_candidates");
  parameters.num_protected = attributes.integer("num_protected");
  parameters.margin = attributes.number("margin");
  parameters.offset = attributes.number("offset");
  parameters.width = attributes.number("width");
  parameters.alpha = attributes.number("alpha");
  parameters.size_penalty = attributes.number("size_penalty");
  parameters.order = attributes.choice<cpu::Order>("order", {"energy", "position"});
  parameters.function = attributes.choice<cpu::Function>("function", {"piecewise", "gaussian"});
  parameters.split = attributes.choice<cpu::Split>("split", {"alternate", "alternate_second", "half"});
  if (const std::string reason = cpu::refusal(parameters); !reason.empty()) throw Failure(reason);
  check_twins(attributes, parameters);
  return parameters;
}

}  // namespace pitome::ort
