#include "fields.h"

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <vector>

#include "quote.h"
#include "refusal.h"

namespace pitome {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;

// The position of a choice is its number in the C interface.
constexpr const char* kOrders[] = {"energy", "position"};
constexpr const char* kEnergies[] = {"elu", "gaussian"};
constexpr const char* kSplits[] = {"alternate", "half"};
static_assert(PITOME_ORDER_ENERGY == 0 && PITOME_ORDER_POSITION == 1, "the order of kOrders");
static_assert(PITOME_ENERGY_ELU == 0 && PITOME_ENERGY_GAUSSIAN == 1, "the order of kEnergies");
static_assert(PITOME_SPLIT_ALTERNATE == 0 && PITOME_SPLIT_HALF == 1, "the order of kSplits");
constexpr int32_t kNumChoices = 2;

struct Attribute {
  const char* name;
  PluginFieldType type;
  size_t offset;               // of its value, four bytes, in pitome_merge_parameters
  const char* const* choices;  // of a text; its value is the position
};

constexpr Attribute kAttributes[kNumAttributes] = {
    {"num_merged", PluginFieldType::kINT32, offsetof(pitome_merge_parameters, num_merged), nullptr},
    {"num_candidates", PluginFieldType::kINT32, offsetof(pitome_merge_parameters, num_candidates), nullptr},
    {"num_protected", PluginFieldType::kINT32, offsetof(pitome_merge_parameters, num_protected), nullptr},
    {"margin", PluginFieldType::kFLOAT32, offsetof(pitome_merge_parameters, margin), nullptr},
    {"alpha", PluginFieldType::kFLOAT32, offsetof(pitome_merge_parameters, alpha), nullptr},
    {"size_penalty", PluginFieldType::kFLOAT32, offsetof(pitome_merge_parameters, size_penalty), nullptr},
    {"order", PluginFieldType::kCHAR, offsetof(pitome_merge_parameters, order), kOrders},
    {"energy", PluginFieldType::kCHAR, offsetof(pitome_merge_parameters, energy), kEnergies},
    {"split", PluginFieldType::kCHAR, offsetof(pitome_merge_parameters, split), kSplits},
};
constexpr size_t kValueSize = 4;

// What an ONNX node says beside the attributes, and what it must say.
struct Identity {
  const char* name;
  const char* value;
};
constexpr Identity kIdentities[] = {{"plugin_namespace", kPluginNamespace},
                                    {"plugin_version", kPluginVersion}};
constexpr int32_t kNumIdentities = 2;

// More fields than names means a duplicate or a foreign field, and a wild count: nothing of it is read.
constexpr int32_t kMaxFields = kNumAttributes + kNumIdentities;
// Longer than any text that can be right.
constexpr int32_t kMaxTextLength = 32;
constexpr size_t kMessageSize = 512;

std::string type_name(PluginFieldType type) {
  switch (type) {
    case PluginFieldType::kFLOAT32:
      return "kFLOAT32";
    case PluginFieldType::kFLOAT64:
      return "kFLOAT64";
    case PluginFieldType::kINT32:
      return "kINT32";
    case PluginFieldType::kINT64:
      return "kINT64";
    case PluginFieldType::kCHAR:
      return "kCHAR";
    default:
      return "number " + std::to_string(static_cast<int32_t>(type));
  }
}

std::string all_names() {
  std::string names;
  for (const Attribute& attribute : kAttributes)
    names += std::string(names.empty() ? "" : ", ") + attribute.name;
  return names;
}

// Whatever the field's data is aligned to.
template <typename Value>
Value load(const void* data) {
  Value value;
  std::memcpy(&value, data, sizeof value);
  return value;
}

void check_collection(const PluginFieldCollection* collection) {
  const std::string asked = "a field collection with " + all_names();
  const std::string remedy = "Pass a collection of these fields, each once";
  if (collection == nullptr) throw Refusal(asked, "the collection is null", remedy);
  if (collection->nbFields < 0 || collection->nbFields > kMaxFields) {
    throw Refusal(asked,
                  "nbFields is " + std::to_string(collection->nbFields) + ", outside 0 to " +
                      std::to_string(kMaxFields),
                  remedy);
  }
  if (collection->nbFields > 0 && collection->fields == nullptr) {
    throw Refusal(asked, "nbFields is " + std::to_string(collection->nbFields) + " but fields is null",
                  remedy);
  }
}

void check_type(const PluginField& field, PluginFieldType type) {
  if (field.type == type) return;
  throw Refusal(std::string("field ") + field.name + " of type " + type_name(type),
                "its type is " + type_name(field.type), "Pass " + type_name(type));
}

void check_data(const PluginField& field) {
  if (field.data != nullptr) return;
  throw Refusal(std::string("a value for field ") + field.name, "its data is null",
                "Point data at the value");
}

const void* number_of(const PluginField& field, PluginFieldType type) {
  check_type(field, type);
  if (field.length != 1) {
    throw Refusal(std::string("field ") + field.name + " with one number",
                  "its length is " + std::to_string(field.length), "Pass length 1");
  }
  check_data(field);
  return field.data;
}

// Which of `choices` the field says; the NUL at the end may be counted in its length or not.
int32_t choice_of(const PluginField& field, const char* const* choices, int32_t num_choices) {
  check_type(field, PluginFieldType::kCHAR);
  std::string asked = std::string("field ") + field.name + " as text, ";
  for (int32_t choice = 0; choice < num_choices; ++choice) {
    asked += std::string(choice > 0 ? " or " : "") + "'" + choices[choice] + "'";
  }
  if (field.length < 1 || field.length > kMaxTextLength) {
    throw Refusal(asked, "its length is " + std::to_string(field.length),
                  "Pass the number of characters with the NUL at the end");
  }
  check_data(field);
  const char* text = static_cast<const char*>(field.data);
  auto length = static_cast<size_t>(field.length);
  if (text[length - 1] == '\0') --length;
  for (int32_t choice = 0; choice < num_choices; ++choice) {
    if (std::strlen(choices[choice]) == length && std::memcmp(choices[choice], text, length) == 0)
      return choice;
  }
  throw Refusal(asked, "it says " + quoted(text, length), "Pass one of these");
}

// Where a field's name stands: attributes first, then identities. -1: unknown.
int32_t position_of(const char* name) {
  for (int32_t index = 0; index < kNumAttributes; ++index) {
    if (std::strcmp(name, kAttributes[index].name) == 0) return index;
  }
  for (int32_t index = 0; index < kNumIdentities; ++index) {
    if (std::strcmp(name, kIdentities[index].name) == 0) return kNumAttributes + index;
  }
  return -1;
}

void read_value(const PluginField& field, int32_t position, pitome_merge_parameters* parameters) {
  if (position >= kNumAttributes) {
    choice_of(field, &kIdentities[position - kNumAttributes].value, 1);
    return;
  }
  const Attribute& attribute = kAttributes[position];
  void* value = reinterpret_cast<char*>(parameters) + attribute.offset;
  if (attribute.choices != nullptr) {
    int32_t choice = choice_of(field, attribute.choices, kNumChoices);
    std::memcpy(value, &choice, kValueSize);
  } else {
    std::memcpy(value, number_of(field, attribute.type), kValueSize);
  }
}

int32_t checked_position(const PluginField& field, int32_t index) {
  if (field.name == nullptr) {
    throw Refusal("a name for every field", "field " + std::to_string(index) + " has a null name",
                  "Name it one of " + all_names());
  }
  int32_t position = position_of(field.name);
  if (position < 0) {
    throw Refusal("fields " + all_names(), "there is a field " + quoted(field.name),
                  "Leave it out or correct its name");
  }
  return position;
}

const char* choice_name(const Attribute& attribute, const pitome_merge_parameters& parameters) {
  auto choice = load<int32_t>(reinterpret_cast<const char*>(&parameters) + attribute.offset);
  return attribute.choices[choice];
}

}  // namespace

pitome_merge_parameters read_parameters(const PluginFieldCollection* collection) {
  check_collection(collection);
  pitome_merge_parameters parameters{};
  bool seen[kMaxFields] = {};
  for (int32_t index = 0; index < collection->nbFields; ++index) {
    const PluginField& field = collection->fields[index];
    int32_t position = checked_position(field, index);
    if (seen[position]) {
      throw Refusal(std::string("field ") + field.name + " once", "it is there twice", "Pass it once");
    }
    seen[position] = true;
    read_value(field, position, &parameters);
  }
  for (int32_t index = 0; index < kNumAttributes; ++index) {
    if (seen[index]) continue;
    throw Refusal("fields " + all_names(), std::string("there is no field ") + kAttributes[index].name,
                  "Pass all of them: none has a default");
  }
  char message[kMessageSize] = "";
  if (pitome_merge_check_parameters(&parameters, message, sizeof message) != PITOME_OK)
    throw Refusal(message);
  return parameters;
}

std::string describe_parameters(const pitome_merge_parameters& parameters) {
  std::string text;
  for (const Attribute& attribute : kAttributes) {
    const char* value = reinterpret_cast<const char*>(&parameters) + attribute.offset;
    text += std::string(text.empty() ? "" : " ") + attribute.name + "=";
    if (attribute.choices != nullptr) {
      text += choice_name(attribute, parameters);
    } else if (attribute.type == PluginFieldType::kINT32) {
      text += std::to_string(load<int32_t>(value));
    } else {
      char number[32];
      std::snprintf(number, sizeof number, "%a", static_cast<double>(load<float>(value)));
      text += number;
    }
  }
  return text;
}

AttributeNames::AttributeNames() noexcept {
  for (int32_t index = 0; index < kNumAttributes; ++index) {
    fields_[index] = PluginField(kAttributes[index].name, nullptr, kAttributes[index].type, 1);
  }
  collection_ = {kNumAttributes, fields_.data()};
}

AttributeFields::AttributeFields(const pitome_merge_parameters& parameters) : parameters_(parameters) {
  for (int32_t index = 0; index < kNumAttributes; ++index) {
    const Attribute& attribute = kAttributes[index];
    if (attribute.choices == nullptr) {
      const char* value = reinterpret_cast<const char*>(&parameters_) + attribute.offset;
      fields_[index] = PluginField(attribute.name, value, attribute.type, 1);
    } else {
      const char* text = choice_name(attribute, parameters_);
      auto length = static_cast<int32_t>(std::strlen(text)) + 1;
      fields_[index] = PluginField(attribute.name, text, attribute.type, length);
    }
  }
  collection_ = {kNumAttributes, fields_.data()};
}

}  // namespace pitome
