#include "fields.h"

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <iterator>

#include "quote.h"
#include "refusal.h"

namespace pitome {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;

// The position of a choice is its number in the C interface.
struct Choices {
  const char* const* names;
  int32_t count;
};
constexpr const char* kOrders[] = {"energy", "position"};
constexpr const char* kFunctions[] = {"piecewise", "gaussian"};
constexpr const char* kSplits[] = {"alternate", "alternate_second", "half"};
static_assert(PITOME_ORDER_ENERGY == 0 && PITOME_ORDER_POSITION == 1, "the order of kOrders");
static_assert(PITOME_FUNCTION_PIECEWISE == 0 && PITOME_FUNCTION_GAUSSIAN == 1, "the order of kFunctions");
static_assert(PITOME_SPLIT_ALTERNATE == 0 && PITOME_SPLIT_ALTERNATE_SECOND == 1 && PITOME_SPLIT_HALF == 2,
              "the order of kSplits");
constexpr Choices kNoChoices = {nullptr, 0};

struct Attribute {
  const char* name;
  PluginFieldType type;
  size_t offset;    // of its value, four bytes, in Attributes
  Choices choices;  // of a text; its value is the position
};

constexpr Attribute integer(const char* name, size_t offset) {
  return {name, PluginFieldType::kINT32, offset, kNoChoices};
}
constexpr Attribute number(const char* name, size_t offset) {
  return {name, PluginFieldType::kFLOAT32, offset, kNoChoices};
}
constexpr Attribute text(const char* name, size_t offset, Choices choices) {
  return {name, PluginFieldType::kCHAR, offset, choices};
}

// The parameters first, then the twins.
constexpr Attribute kAttributes[kNumAttributes] = {
    integer("num_merged", offsetof(Attributes, parameters.num_merged)),
    integer("num_candidates", offsetof(Attributes, parameters.num_candidates)),
    integer("num_protected", offsetof(Attributes, parameters.num_protected)),
    number("margin", offsetof(Attributes, parameters.margin)),
    number("offset", offsetof(Attributes, parameters.offset)),
    number("width", offsetof(Attributes, parameters.width)),
    number("alpha", offsetof(Attributes, parameters.alpha)),
    number("size_penalty", offsetof(Attributes, parameters.size_penalty)),
    text("order", offsetof(Attributes, parameters.order), {kOrders, std::size(kOrders)}),
    text("function", offsetof(Attributes, parameters.function), {kFunctions, std::size(kFunctions)}),
    text("split", offsetof(Attributes, parameters.split), {kSplits, std::size(kSplits)}),
    integer("by_position", offsetof(Attributes, twins.by_position)),
    integer("source_start", offsetof(Attributes, twins.source_start)),
    integer("source_stop", offsetof(Attributes, twins.source_stop)),
    integer("target_start", offsetof(Attributes, twins.target_start)),
    integer("target_stop", offsetof(Attributes, twins.target_stop)),
    integer("split_step", offsetof(Attributes, twins.split_step)),
};
constexpr int32_t kNumParameters = 11;
constexpr size_t kValueSize = 4;

// What an ONNX node says beside the attributes, and what it must say.
struct Identity {
  const char* name;
  const char* value;
};
constexpr Identity kIdentities[] = {{"plugin_namespace", kPluginNamespace},
                                    {"plugin_version", kPluginVersion}};
constexpr int32_t kNumIdentities = 2;
// What files said before, and no released version of pitome wrote.
constexpr const char* kOldVersion = "1";

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

// A field's text, without the NUL at its end, which may be counted in its length or not.
std::string text_of(const PluginField& field, const std::string& asked) {
  check_type(field, PluginFieldType::kCHAR);
  if (field.length < 1 || field.length > kMaxTextLength) {
    throw Refusal(asked, "its length is " + std::to_string(field.length),
                  "Pass the number of characters with the NUL at the end");
  }
  check_data(field);
  std::string text(static_cast<const char*>(field.data), static_cast<size_t>(field.length));
  if (text.back() == '\0') text.pop_back();
  return text;
}

// Which of `choices` the field says.
int32_t choice_of(const PluginField& field, Choices choices) {
  std::string asked = std::string("field ") + field.name + " as text, ";
  for (int32_t choice = 0; choice < choices.count; ++choice)
    asked += std::string(choice > 0 ? " or " : "") + "'" + choices.names[choice] + "'";
  const std::string text = text_of(field, asked);
  for (int32_t choice = 0; choice < choices.count; ++choice)
    if (text == choices.names[choice]) return choice;
  throw Refusal(asked, "it says " + quoted(text.data(), text.size()), "Pass one of these");
}

void check_identity(const PluginField& field, const Identity& identity) {
  const std::string asked = std::string("field ") + field.name + " as text, '" + identity.value + "'";
  const std::string text = text_of(field, asked);
  if (text == identity.value) return;
  const std::string found = "it says " + quoted(text.data(), text.size());
  if (identity.value == kPluginVersion && text == kOldVersion) {
    throw Refusal(asked, found + ", a contract that was never released: its energy was another",
                  "Export the model again");
  }
  throw Refusal(asked, found, "Pass this one");
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

void read_value(const PluginField& field, int32_t position, Attributes* attributes) {
  if (position >= kNumAttributes) {
    check_identity(field, kIdentities[position - kNumAttributes]);
    return;
  }
  const Attribute& attribute = kAttributes[position];
  void* value = reinterpret_cast<char*>(attributes) + attribute.offset;
  if (attribute.type == PluginFieldType::kCHAR) {
    int32_t choice = choice_of(field, attribute.choices);
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

const void* value_of(const Attribute& attribute, const Attributes& attributes) {
  return reinterpret_cast<const char*>(&attributes) + attribute.offset;
}

const char* choice_name(const Attribute& attribute, const Attributes& attributes) {
  return attribute.choices.names[load<int32_t>(value_of(attribute, attributes))];
}

// Both have been read; the twins are held against parameters that are right.
void check_values(const Attributes& attributes) {
  char message[kMessageSize] = "";
  if (pitome_merge_check_parameters(&attributes.parameters, message, sizeof message) != PITOME_OK ||
      pitome_merge_check_twins(&attributes.parameters, &attributes.twins, message, sizeof message) !=
          PITOME_OK)
    throw Refusal(message);
}

}  // namespace

pitome_merge_parameters read_parameters(const PluginFieldCollection* collection) {
  check_collection(collection);
  Attributes attributes;
  bool seen[kMaxFields] = {};
  for (int32_t index = 0; index < collection->nbFields; ++index) {
    const PluginField& field = collection->fields[index];
    int32_t position = checked_position(field, index);
    if (seen[position]) {
      throw Refusal(std::string("field ") + field.name + " once", "it is there twice", "Pass it once");
    }
    seen[position] = true;
    read_value(field, position, &attributes);
  }
  for (int32_t index = 0; index < kNumAttributes; ++index) {
    if (seen[index]) continue;
    throw Refusal("fields " + all_names(), std::string("there is no field ") + kAttributes[index].name,
                  "Pass all of them: none has a default");
  }
  check_values(attributes);
  return attributes.parameters;
}

std::string describe_parameters(const pitome_merge_parameters& parameters) {
  const Attributes attributes(parameters);
  std::string text;
  for (int32_t index = 0; index < kNumParameters; ++index) {
    const Attribute& attribute = kAttributes[index];
    const void* value = value_of(attribute, attributes);
    text += std::string(text.empty() ? "" : " ") + attribute.name + "=";
    if (attribute.type == PluginFieldType::kCHAR) {
      text += choice_name(attribute, attributes);
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

AttributeFields::AttributeFields(const pitome_merge_parameters& parameters) : attributes_(parameters) {
  for (int32_t index = 0; index < kNumAttributes; ++index) {
    const Attribute& attribute = kAttributes[index];
    if (attribute.type != PluginFieldType::kCHAR) {
      fields_[index] = PluginField(attribute.name, value_of(attribute, attributes_), attribute.type, 1);
    } else {
      const char* text = choice_name(attribute, attributes_);
      auto length = static_cast<int32_t>(std::strlen(text)) + 1;
      fields_[index] = PluginField(attribute.name, text, attribute.type, length);
    }
  }
  collection_ = {kNumAttributes, fields_.data()};
}

}  // namespace pitome
