// The operator's contract: what parameters, twins and shapes may be. Knows no CUDA.
#include <pitome_merge.h>

#include <cmath>
#include <cstdint>

#include "message.h"

namespace pitome {
namespace {

int32_t check_counts(const pitome_merge_parameters& asked, const Message& message) {
  if (asked.num_merged < 1)
    return message.refuse(
        "num_merged=%d: a merge removes at least one token. Leave a layer without merge out",
        asked.num_merged);
  if (asked.num_candidates < 2 * int64_t{asked.num_merged})
    return message.refuse(
        "num_candidates=%d with num_merged=%d: the operator needs 0 < 2 num_merged <= num_candidates. "
        "Allow at least %lld candidates",
        asked.num_candidates, asked.num_merged, static_cast<long long>(2 * int64_t{asked.num_merged}));
  if (asked.num_protected < 0)
    return message.refuse("num_protected=%d: negative. Give zero or more", asked.num_protected);
  if (int64_t{asked.num_candidates} + asked.num_protected > PITOME_MAX_TOKENS)
    return message.refuse(
        "num_candidates=%d with num_protected=%d: more than the %d tokens that the kernels take. Merge fewer "
        "tokens",
        asked.num_candidates, asked.num_protected, PITOME_MAX_TOKENS);
  return PITOME_OK;
}

int32_t check_numbers(const pitome_merge_parameters& asked, const Message& message) {
  constexpr float most = PITOME_MAX_NUMBER;
  const struct {
    const char* name;
    float value, least, most;
  } numbers[] = {{"margin", asked.margin, -most, most},
                 {"offset", asked.offset, -most, most},
                 {"width", asked.width, PITOME_MIN_ENERGY_WIDTH, PITOME_MAX_ENERGY_WIDTH},
                 {"alpha", asked.alpha, -most, most},
                 {"size_penalty", asked.size_penalty, 0, most}};
  for (const auto& number : numbers) {
    const auto value = static_cast<double>(number.value);
    if (!std::isfinite(number.value))
      return message.refuse("%s=%g: not a finite number. Give a finite number", number.name, value);
    if (number.value < number.least || number.value > number.most)
      return message.refuse("%s=%g: outside %g to %g. Give a number between them", number.name, value,
                            static_cast<double>(number.least), static_cast<double>(number.most));
  }
  return PITOME_OK;
}

int32_t check_choices(const pitome_merge_parameters& asked, const Message& message) {
  if (asked.order != PITOME_ORDER_ENERGY && asked.order != PITOME_ORDER_POSITION)
    return message.refuse("order=%d: the operator knows 0 (energy) and 1 (position). Choose one of these",
                          asked.order);
  if (asked.function != PITOME_FUNCTION_PIECEWISE && asked.function != PITOME_FUNCTION_GAUSSIAN)
    return message.refuse(
        "function=%d: the operator knows 0 (piecewise) and 1 (gaussian). Choose one of these",
        asked.function);
  if (asked.split != PITOME_SPLIT_ALTERNATE && asked.split != PITOME_SPLIT_ALTERNATE_SECOND &&
      asked.split != PITOME_SPLIT_HALF)
    return message.refuse(
        "split=%d: the operator knows 0 (alternate), 1 (alternate_second) and 2 (half). Choose one of these",
        asked.split);
  if (asked.function == PITOME_FUNCTION_GAUSSIAN && asked.margin >= 1)
    return message.refuse(
        "margin=%g with the gaussian function: its width is 1 - margin, which must be positive. Give a "
        "margin below 1",
        static_cast<double>(asked.margin));
  return PITOME_OK;
}

int32_t check_shape(const pitome_merge_parameters& asked, const pitome_merge_shape& shape,
                    const Message& message) {
  if (shape.dtype != PITOME_FLOAT32 && shape.dtype != PITOME_FLOAT16 && shape.dtype != PITOME_BFLOAT16)
    return message.refuse(
        "dtype=%d: the kernels know 0 (float32), 1 (float16) and 2 (bfloat16). Choose one of these",
        shape.dtype);
  if (shape.batch < 0) return message.refuse("batch=%d: negative. Give zero or more", shape.batch);
  if (shape.num_tokens < 1 || shape.num_tokens > PITOME_MAX_TOKENS)
    return message.refuse("num_tokens=%d: the kernels take 1 to %d. Use the function body for more",
                          shape.num_tokens, PITOME_MAX_TOKENS);
  if (shape.width < 1 || shape.width > PITOME_MAX_WIDTH)
    return message.refuse("width=%d: the kernels take 1 to %d. Use the function body for more", shape.width,
                          PITOME_MAX_WIDTH);
  if (shape.metric_width < 1 || shape.metric_width > PITOME_MAX_WIDTH)
    return message.refuse("metric_width=%d: the kernels take 1 to %d. Use the function body for more",
                          shape.metric_width, PITOME_MAX_WIDTH);
  if (asked.num_candidates > shape.num_tokens - asked.num_protected)
    return message.refuse(
        "num_candidates=%d for %d tokens, %d of them protected: the operator needs num_candidates <= %d. "
        "Give the number of tokens that the model was exported for",
        asked.num_candidates, shape.num_tokens, asked.num_protected, shape.num_tokens - asked.num_protected);
  return PITOME_OK;
}

constexpr const char* kOrders[] = {"energy", "position"};
constexpr const char* kSplits[] = {"alternate", "alternate_second", "half"};

}  // namespace
}  // namespace pitome

using namespace pitome;

int32_t pitome_merge_check_parameters(const pitome_merge_parameters* parameters, char* message,
                                      size_t message_size) {
  const Message place(message, message_size);
  if (parameters == nullptr)
    return place.refuse("parameters: a null pointer. Give the operator's attributes");
  int32_t status = check_counts(*parameters, place);
  if (status == PITOME_OK) status = check_numbers(*parameters, place);
  if (status == PITOME_OK) status = check_choices(*parameters, place);
  return status;
}

pitome_merge_twins pitome_merge_twins_of(const pitome_merge_parameters* parameters) {
  const int32_t by_position = parameters->order == PITOME_ORDER_POSITION ? 1 : 0;
  const int32_t candidates = parameters->num_candidates, half = candidates - candidates / 2;
  switch (parameters->split) {
    case PITOME_SPLIT_ALTERNATE:
      return {by_position, 0, candidates, 1, candidates, 2};
    case PITOME_SPLIT_ALTERNATE_SECOND:
      return {by_position, 1, candidates, 0, candidates, 2};
    default:
      return {by_position, 0, half, half, candidates, 1};
  }
}

int32_t pitome_merge_check_twins(const pitome_merge_parameters* parameters, const pitome_merge_twins* twins,
                                 char* message, size_t message_size) {
  const pitome_merge_twins expected = pitome_merge_twins_of(parameters);
  const Message place(message, message_size);
  if (twins->by_position != expected.by_position)
    return place.refuse(
        "by_position=%d with order '%s': the two say different things, it must be %d. "
        "Export the model again",
        twins->by_position, kOrders[parameters->order], expected.by_position);
  const struct {
    const char* name;
    int32_t found, expected;
  } slices[] = {{"source_start", twins->source_start, expected.source_start},
                {"source_stop", twins->source_stop, expected.source_stop},
                {"target_start", twins->target_start, expected.target_start},
                {"target_stop", twins->target_stop, expected.target_stop},
                {"split_step", twins->split_step, expected.split_step}};
  for (const auto& slice : slices)
    if (slice.found != slice.expected)
      return place.refuse(
          "%s=%d with split '%s' of %d candidates: the two say different things, it must be "
          "%d. Export the model again",
          slice.name, slice.found, kSplits[parameters->split], parameters->num_candidates, slice.expected);
  return PITOME_OK;
}

int32_t pitome_merge_check(const pitome_merge_parameters* parameters, const pitome_merge_shape* shape,
                           char* message, size_t message_size) {
  const Message place(message, message_size);
  if (shape == nullptr) return place.refuse("shape: a null pointer. Give the tensors' shape");
  int32_t status = pitome_merge_check_parameters(parameters, message, message_size);
  return status == PITOME_OK ? check_shape(*parameters, *shape, place) : status;
}
