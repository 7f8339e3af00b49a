// Random field collections: right ones in every allowed form, and for each kind of defect wrong ones.
#pragma once

#include <NvInferRuntime.h>
#include <pitome_merge.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "field_list.h"

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  // Both ends included.
  int64_t integer(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  float number(float low, float high) { return std::uniform_real_distribution<float>(low, high)(engine_); }
  bool coin() { return integer(0, 1) == 1; }
  template <typename Container>
  auto& pick(Container& container) {
    return container[static_cast<size_t>(integer(0, static_cast<int64_t>(std::size(container)) - 1))];
  }
  template <typename Container>
  void shuffle(Container& container) {
    std::shuffle(container.begin(), container.end(), engine_);
  }
  // Any byte but NUL.
  std::string bytes(int64_t count) {
    std::string text;
    for (int64_t index = 0; index < count; ++index) text += static_cast<char>(integer(1, 255));
    return text;
  }

 private:
  std::mt19937_64 engine_;
};

inline constexpr int32_t kLargest = std::numeric_limits<int32_t>::max();
inline constexpr int32_t kSmallest = std::numeric_limits<int32_t>::min();
inline constexpr const char* kIntegerNames[] = {"num_merged", "num_candidates", "num_protected"};
inline constexpr const char* kNumberNames[] = {"margin", "offset", "width", "alpha", "size_penalty"};
inline constexpr const char* kTextNames[] = {"order", "function", "split"};
inline constexpr const char* kTwinNames[] = {"by_position",  "source_start", "source_stop",
                                             "target_start", "target_stop",  "split_step"};
inline constexpr size_t kMostFields = 19;  // 17 attributes and 2 identities
inline constexpr const char* kIdentityNames[] = {"plugin_namespace", "plugin_version"};

inline pitome_merge_parameters random_parameters(Random& random) {
  pitome_merge_parameters parameters{};
  parameters.num_merged = static_cast<int32_t>(random.integer(1, 1000));
  parameters.num_candidates = 2 * parameters.num_merged + static_cast<int32_t>(random.integer(0, 500));
  parameters.num_protected = static_cast<int32_t>(random.integer(0, 10));
  parameters.margin = random.number(-2.0F, 0.99F);
  parameters.offset = random.number(-1024.0F, 1024.0F);
  parameters.width = random.coin() ? 1.0F / 1024.0F : random.number(1.0F / 1024.0F, 1024.0F);
  parameters.alpha = random.number(-3.0F, 3.0F);
  parameters.size_penalty = random.coin() ? 0.0F : random.number(0.0F, 1024.0F);
  parameters.order = static_cast<int32_t>(random.integer(0, 1));
  parameters.function = static_cast<int32_t>(random.integer(0, 1));
  parameters.split = static_cast<int32_t>(random.integer(0, 2));
  return parameters;
}

// The fields in any order, at any alignment, texts with their NUL or without, with a node's identity or
// without.
inline FieldList random_valid_fields(const pitome_merge_parameters& parameters, Random& random) {
  FieldList fields = fields_of(parameters);
  if (random.coin()) fields.add_text("plugin_namespace", "pitome");
  if (random.coin()) fields.add_text("plugin_version", "2");
  for (FieldList::Entry& entry : fields.entries) {
    entry.misalignment = static_cast<size_t>(random.integer(0, 7));
    if (entry.type == nvinfer1::PluginFieldType::kCHAR && random.coin()) {
      entry.data->pop_back();
      --entry.length;
    }
  }
  random.shuffle(fields.entries);
  return fields;
}

// Each makes right fields wrong, whatever they were, and returns what the message must contain.
using Defect = std::string (*)(FieldList& fields, Random& random);

inline std::string leave_out(FieldList& fields, Random& random) {
  std::string name;
  do {
    name = *random.pick(fields.entries).name;
  } while (name == kIdentityNames[0] || name == kIdentityNames[1]);
  fields.entries.erase(std::remove_if(fields.entries.begin(), fields.entries.end(),
                                      [&](const FieldList::Entry& entry) { return entry.name == name; }),
                       fields.entries.end());
  return "there is no field " + name;
}

inline std::string duplicate(FieldList& fields, Random& random) {
  FieldList::Entry entry = random.pick(fields.entries);
  fields.entries.push_back(entry);
  random.shuffle(fields.entries);
  return fields.entries.size() > kMostFields ? "nbFields" : *entry.name;
}

inline std::string change_type(FieldList& fields, Random& random) {
  FieldList::Entry& entry = random.pick(fields.entries);
  auto type = entry.type;
  while (entry.type == type) {
    entry.type = static_cast<nvinfer1::PluginFieldType>(random.coin() ? random.integer(-2, 16)
                                                                      : random.integer(kSmallest, kLargest));
  }
  return *entry.name;
}

inline std::string change_number_length(FieldList& fields, Random& random) {
  FieldList::Entry& entry =
      fields.named(random.coin() ? random.pick(kIntegerNames) : random.pick(kNumberNames));
  const int32_t lengths[] = {0, -1, 2, 4, kSmallest, kLargest};
  entry.length = random.pick(lengths);
  return *entry.name;
}

// Too short, so that the rest is cut off, or beyond any length that could be right.
inline std::string change_text_length(FieldList& fields, Random& random) {
  FieldList::Entry& entry = fields.named(random.pick(kTextNames));
  const int32_t lengths[] = {0, -1, 1, 2, 33, 4096, 1 << 30, kSmallest, kLargest};
  entry.length = random.pick(lengths);
  return *entry.name;
}

inline std::string change_text(FieldList& fields, Random& random) {
  FieldList::Entry& entry = fields.named(random.pick(kTextNames));
  const std::string right(entry.data->c_str(), std::min(entry.data->size(), entry.data->find('\0')));
  const std::string wrong[] = {random.bytes(random.integer(0, 30)) + "!",
                               right.substr(0, right.size() - 1),
                               right + "x",
                               right + std::string("\0x", 2),
                               right + std::string(2, '\0'),
                               std::string(1, '\0'),
                               std::string(1, static_cast<char>(right[0] - 'a' + 'A')) + right.substr(1),
                               " " + right,
                               "pitome"};
  entry.data = random.pick(wrong);
  entry.length = static_cast<int32_t>(entry.data->size());
  return *entry.name;
}

inline std::string change_integer(FieldList& fields, Random& random) {
  const char* name = random.pick(kIntegerNames);
  int32_t value;
  if (name == std::string("num_merged")) {  // at least one more than half of any number of candidates here
    const int32_t values[] = {0, -1, 1251 + static_cast<int32_t>(random.integer(0, 5000)), kSmallest,
                              kLargest};
    value = random.pick(values);
  } else if (name == std::string("num_candidates")) {
    const int32_t values[] = {0, 1, -1, kSmallest};
    value = random.pick(values);
  } else {
    value = static_cast<int32_t>(random.integer(kSmallest, -1));
  }
  fields.named(name).data = FieldList::bytes_of(value);
  return name;
}

inline std::string change_number(FieldList& fields, Random& random) {
  const std::string name = random.pick(kNumberNames);
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> values = {std::nanf(""), -std::nanf(""), infinity, -infinity,
                               1024.1F,       3e38F,          -3e38F,   -1024.1F};
  if (name == "size_penalty") values.insert(values.end(), {-1e-30F, -1.0F});
  if (name == "width") values.insert(values.end(), {0.0F, 1e-30F, 0.00097F, -1.0F});
  fields.named(name.c_str()).data = FieldList::bytes_of(random.pick(values));
  return name + "=";
}

// Any other number than the one that the order, or the split, stands for.
inline std::string change_twin(FieldList& fields, Random& random) {
  const std::string name = random.pick(kTwinNames);
  FieldList::Entry& entry = fields.named(name.c_str());
  int32_t value, right;
  std::memcpy(&right, entry.data->data(), sizeof right);
  do {
    value = static_cast<int32_t>(random.coin() ? random.integer(right - 2, right + 2)
                                               : random.integer(kSmallest, kLargest));
  } while (value == right);
  entry.data = FieldList::bytes_of(value);
  return name + "=" + std::to_string(value);
}

inline std::string give_gaussian_no_width(FieldList& fields, Random& random) {
  FieldList::Entry& function = fields.named("function");
  function.data = "gaussian";
  function.length = 8;
  const float values[] = {1.0F, 1.5F, 1024.0F};
  fields.named("margin").data = FieldList::bytes_of(random.pick(values));
  return "margin";
}

inline std::string claim_count(FieldList& fields, Random& random) {
  const int32_t counts[] = {-1, kSmallest, 20, 64, 1 << 20, kLargest};
  fields.claimed_count = random.pick(counts);
  return "nbFields is " + std::to_string(*fields.claimed_count);
}

inline std::string claim_fewer(FieldList& fields, Random& random) {
  fields.claimed_count = static_cast<int32_t>(random.integer(0, 16));
  return "there is no field";
}

inline std::string make_collection_null(FieldList& fields, Random&) {
  fields.null_collection = true;
  return "the collection is null";
}

inline std::string make_fields_null(FieldList& fields, Random&) {
  fields.null_fields = true;
  return "fields is null";
}

inline std::string make_name_null(FieldList& fields, Random& random) {
  random.pick(fields.entries).name.reset();
  return "null name";
}

inline std::string make_data_null(FieldList& fields, Random& random) {
  FieldList::Entry& entry = random.pick(fields.entries);
  entry.data.reset();
  return *entry.name;
}

inline std::string add_unknown(FieldList& fields, Random& random) {
  FieldList::Entry& entry = random.pick(fields.entries);
  const std::string right = *entry.name;
  const std::string names[] = {"",
                               right + "s",
                               right.substr(1),
                               " " + right,
                               "plugin_names",
                               random.bytes(random.integer(1, 40)) + "?",
                               random.bytes(random.integer(1000, 3000)) + "?"};
  if (random.coin() || fields.entries.size() >= kMostFields) {
    entry.name = random.pick(names);
  } else {
    FieldList::Entry unknown = entry;
    unknown.name = random.pick(names);
    fields.entries.insert(fields.entries.begin(), unknown);
  }
  return "there is a field '";
}

inline std::string change_identity(FieldList& fields, Random& random) {
  const char* name = random.pick(kIdentityNames);
  fields.entries.erase(std::remove_if(fields.entries.begin(), fields.entries.end(),
                                      [&](const FieldList::Entry& entry) { return entry.name == name; }),
                       fields.entries.end());
  const std::string values[] = {
      "", "1", "2.0", "pitom", "PITOME", "pitome2", random.bytes(random.integer(1, 20)) + "?"};
  fields.add_text(name, random.pick(values), random.coin());
  random.shuffle(fields.entries);
  return name;
}

// All of it is noise, under names that are right.
inline std::string make_noise(FieldList& fields, Random& random) {
  for (FieldList::Entry& entry : fields.entries) {
    entry.type = static_cast<nvinfer1::PluginFieldType>(random.integer(100, kLargest));
    entry.length = static_cast<int32_t>(random.integer(kSmallest, kLargest));
    entry.data = random.bytes(random.integer(0, 64));
  }
  return *fields.entries.front().name;
}
