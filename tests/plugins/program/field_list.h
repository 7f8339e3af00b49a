// A field collection whose every piece lies in a heap block of exactly its size: a read beyond is a fault.
#pragma once

#include <NvInferRuntime.h>
#include <pitome_merge.h>

#include <cstring>
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

// The attributes as a parser hands them over.
inline FieldList fields_of(const pitome_merge_parameters& parameters) {
  FieldList fields;
  fields.add_integer("num_merged", parameters.num_merged);
  fields.add_integer("num_candidates", parameters.num_candidates);
  fields.add_integer("num_protected", parameters.num_protected);
  fields.add_number("margin", parameters.margin);
  fields.add_number("alpha", parameters.alpha);
  fields.add_number("size_penalty", parameters.size_penalty);
  fields.add_text("order", parameters.order == PITOME_ORDER_ENERGY ? "energy" : "position");
  fields.add_text("energy", parameters.energy == PITOME_ENERGY_ELU ? "elu" : "gaussian");
  fields.add_text("split", parameters.split == PITOME_SPLIT_ALTERNATE ? "alternate" : "half");
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
