// A field collection whose every piece lies in a heap block of exactly its size: a read beyond is a fault.
#pragma once

#include <NvInferRuntime.h>
#include <pitome_merge.h>

#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

class FieldList {
 public:
  struct Entry {
    std::optional<std::string> name;  // none: a null pointer
    nvinfer1::PluginFieldType type;
    int32_t length;
    std::optional<std::string> data;  // none: a null pointer
    size_t misalignment = 0;          // bytes between an aligned address and the data
  };

  std::vector<Entry> entries;
  bool null_collection = false;
  bool null_fields = false;
  std::optional<int32_t> claimed_count;  // none: the true one

  void add_integer(const std::string& name, int32_t value) {
    entries.push_back({name, nvinfer1::PluginFieldType::kINT32, 1, bytes_of(value)});
  }
  void add_number(const std::string& name, float value) {
    entries.push_back({name, nvinfer1::PluginFieldType::kFLOAT32, 1, bytes_of(value)});
  }
  void add_text(const std::string& name, const std::string& text, bool with_nul = true) {
    std::string data = with_nul ? text + '\0' : text;
    entries.push_back(
        {name, nvinfer1::PluginFieldType::kCHAR, static_cast<int32_t>(data.size()), std::move(data)});
  }
  Entry& named(const char* name) {
    for (Entry& entry : entries) {
      if (entry.name == name) return entry;
    }
    throw std::logic_error(std::string("no field ") + name);
  }

  template <typename Value>
  static std::string bytes_of(Value value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
  }
};

// Splits by their number, and each as slices of M ranks: source start and stop, target start and stop, step.
struct Split {
  const char* name;
  int32_t slices[5];
};
inline constexpr const char* kSliceNames[] = {"source_start", "source_stop", "target_start", "target_stop",
                                              "split_step"};

inline Split split_of(const pitome_merge_parameters& parameters) {
  const int32_t all = parameters.num_candidates, half = (all + 1) / 2;
  const Split splits[] = {{"alternate", {0, all, 1, all, 2}},
                          {"alternate_second", {1, all, 0, all, 2}},
                          {"half", {0, half, half, all, 1}}};
  return splits[parameters.split];
}

// The attributes as a parser hands them over.
inline FieldList fields_of(const pitome_merge_parameters& parameters) {
  const bool by_energy = parameters.order == PITOME_ORDER_ENERGY;
  const Split split = split_of(parameters);
  FieldList fields;
  fields.add_integer("num_merged", parameters.num_merged);
  fields.add_integer("num_candidates", parameters.num_candidates);
  fields.add_integer("num_protected", parameters.num_protected);
  fields.add_number("margin", parameters.margin);
  fields.add_number("offset", parameters.offset);
  fields.add_number("width", parameters.width);
  fields.add_number("alpha", parameters.alpha);
  fields.add_number("size_penalty", parameters.size_penalty);
  fields.add_text("order", by_energy ? "energy" : "position");
  fields.add_text("function", parameters.function == PITOME_FUNCTION_PIECEWISE ? "piecewise" : "gaussian");
  fields.add_text("split", split.name);
  fields.add_integer("by_position", by_energy ? 0 : 1);
  for (size_t index = 0; index < std::size(kSliceNames); ++index)
    fields.add_integer(kSliceNames[index], split.slices[index]);
  return fields;
}

// The collection that a creator gets; it keeps the memory.
class HeapCollection {
 public:
  explicit HeapCollection(const FieldList& list) {
    fields_ = std::make_unique<nvinfer1::PluginField[]>(list.entries.size());
    for (size_t index = 0; index < list.entries.size(); ++index) {
      const FieldList::Entry& entry = list.entries[index];
      const char* name = entry.name ? copy(*entry.name + '\0', 0) : nullptr;
      const char* data = entry.data ? copy(*entry.data, entry.misalignment) : nullptr;
      fields_[index] = nvinfer1::PluginField(name, data, entry.type, entry.length);
    }
    int32_t count = list.claimed_count.value_or(static_cast<int32_t>(list.entries.size()));
    collection_ = {count, list.null_fields ? nullptr : fields_.get()};
    null_ = list.null_collection;
  }
  const nvinfer1::PluginFieldCollection* get() const { return null_ ? nullptr : &collection_; }

 private:
  const char* copy(const std::string& bytes, size_t misalignment) {
    blocks_.push_back(std::make_unique<char[]>(misalignment + bytes.size()));
    return static_cast<char*>(std::memcpy(blocks_.back().get() + misalignment, bytes.data(), bytes.size()));
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  std::unique_ptr<nvinfer1::PluginField[]> fields_;
  nvinfer1::PluginFieldCollection collection_;
  bool null_;
};
