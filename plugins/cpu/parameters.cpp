// What the operator's contract allows (docs/DESIGN.md, "The operator").
#include <cmath>
#include <sstream>

#include "merge.h"

namespace pitome::cpu {
namespace {

constexpr float kLargest = 1024.0F;
constexpr float kSmallestWidth = 1.0F / 1024.0F;

template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream stream;
  stream.precision(9);
  (stream << ... << parts);
  return stream.str();
}

std::string bounded(const char* name, float value, float least) {
  if (value >= least && value <= kLargest) return "";  // a NaN is in no interval
  return text(name, " = ", value, ": outside [", least, ", ", kLargest, "]. Use a number in it.");
}

std::string first_of(std::initializer_list<std::string> reasons) {
  for (const std::string& reason : reasons) {
    if (!reason.empty()) return reason;
  }
  return "";
}

}  // namespace

std::string refusal(const Parameters& parameters) {
  const int32_t merged = parameters.num_merged, candidates = parameters.num_candidates;
  if (merged <= 0 || candidates < 2 * static_cast<int64_t>(merged)) {
    return text("num_merged = ", merged, " of num_candidates = ", candidates,
                ": a merge needs 0 < 2 * num_merged <= num_candidates. Merge fewer tokens.");
  }
  if (parameters.num_protected < 0) {
    return text("num_protected = ", parameters.num_protected, ": negative. Use 0 or more.");
  }
  std::string reason = first_of(
      {bounded("margin", parameters.margin, -kLargest), bounded("offset", parameters.offset, -kLargest),
       bounded("width", parameters.width, kSmallestWidth), bounded("alpha", parameters.alpha, -kLargest),
       bounded("size_penalty", parameters.size_penalty, 0.0F)});
  if (reason.empty() && parameters.function == Function::kGaussian && !(parameters.margin < 1.0F)) {
    return text("function = gaussian with margin = ", parameters.margin,
                ": its width is 1 - margin. Use a margin below 1.");
  }
  return reason;
}

std::string refusal(const Parameters& parameters, const Shape& shape) {
  if (std::string reason = refusal(parameters); !reason.empty()) return reason;
  if (shape.num_tokens > kMaxTokens) {
    return text(shape.num_tokens, " tokens: more than ", kMaxTokens, ". Use fewer.");
  }
  if (shape.batch < 0 || shape.width < 1 || shape.metric_width < 1 || shape.metric_width > INT32_MAX) {
    return text("x [", shape.batch, ", ", shape.num_tokens, ", ", shape.width, "] with a metric of width ",
                shape.metric_width, ": a width is not positive. Give both at least one column.");
  }
  if (parameters.num_candidates > shape.num_tokens - parameters.num_protected) {
    return text("num_candidates = ", parameters.num_candidates, ": there are ", shape.num_tokens, " tokens, ",
                parameters.num_protected, " of them protected. Merge fewer tokens, or give more.");
  }
  return "";
}

}  // namespace pitome::cpu
