// `fuzz SEED COUNT`: COUNT wrong field collections of every kind must each give null and one message that
// names the defect; right ones in between must give a plugin, with every attribute, and no message.
#pragma once

#include <NvInferRuntime.h>

#include <cstdio>
#include <cstring>
#include <iterator>
#include <map>
#include <optional>
#include <string>

#include "library.h"
#include "logger.h"
#include "random_fields.h"

struct Kind {
  const char* name;
  Defect defect;
};

inline constexpr Kind kKinds[] = {
    {"missing", leave_out},
    {"missing_by_count", claim_fewer},
    {"duplicated", duplicate},
    {"wrong_type", change_type},
    {"wrong_number_length", change_number_length},
    {"wrong_text_length", change_text_length},
    {"wrong_text", change_text},
    {"integer_out_of_range", change_integer},
    {"number_out_of_range", change_number},
    {"gaussian_without_width", give_gaussian_no_width},
    {"wrong_twin", change_twin},
    {"wrong_count", claim_count},
    {"null_collection", make_collection_null},
    {"null_fields", make_fields_null},
    {"null_name", make_name_null},
    {"null_data", make_data_null},
    {"unknown_name", add_unknown},
    {"wrong_identity", change_identity},
    {"noise", make_noise},
};
inline constexpr int32_t kWrongPerRight = 8;

class Fuzzer {
 public:
  Fuzzer(const Library& library, uint64_t seed) : library_(library), random_(seed), finder_(&logger_) {
    library_.set_logger_finder(&finder_);
  }
  Fuzzer(const Fuzzer&) = delete;
  Fuzzer& operator=(const Fuzzer&) = delete;
  ~Fuzzer() { library_.set_logger_finder(nullptr); }

  void run_wrong(const Kind& kind) {
    FieldList fields = random_valid_fields(random_parameters(random_), random_);
    std::string expected = kind.defect(fields, random_);
    PluginPointer plugin = create(fields);
    require(plugin == nullptr, std::string("null for ") + kind.name);
    require(logger_.one_error(), std::string("one error for ") + kind.name + ", not " +
                                     std::to_string(logger_.count()) +
                                     " messages, the last: " + logger_.last());
    require(
        std::strstr(logger_.last(), expected.c_str()) != nullptr,
        std::string("the message for ") + kind.name + " to say '" + expected + "', not: " + logger_.last());
    ++counts_[kind.name];
  }

  void run_right() {
    pitome_merge_parameters parameters = random_parameters(random_);
    PluginPointer plugin = create(random_valid_fields(parameters, random_));
    require(plugin != nullptr && logger_.count() == 0, std::string("a plugin, not: ") + logger_.last());
    const nvinfer1::PluginFieldCollection* fields = Capabilities(*plugin).runtime.getFieldsToSerialize();
    FieldList expected = fields_of(parameters);
    require(fields->nbFields == static_cast<int32_t>(expected.entries.size()), "all fields");
    for (int32_t index = 0; index < fields->nbFields; ++index) {
      const nvinfer1::PluginField& field = fields->fields[index];
      const FieldList::Entry& entry = expected.named(field.name);
      require(field.type == entry.type && field.length == entry.length &&
                  std::memcmp(field.data, entry.data->data(), entry.data->size()) == 0,
              std::string("the value of ") + field.name + " as it was given");
    }
    ++counts_["right"];
  }

  void print(uint64_t seed) const {
    std::printf("{\"seed\": %llu, \"counts\": {", static_cast<unsigned long long>(seed));
    const char* separator = "";
    for (const auto& [name, count] : counts_) {
      std::printf("%s\"%s\": %d", separator, name.c_str(), count);
      separator = ", ";
    }
    std::printf("}}\n");
  }

 private:
  PluginPointer create(const FieldList& fields) {
    const std::optional<std::string> layers[] = {std::nullopt, "", "/blocks.0/merge", random_.bytes(2000)};
    const std::optional<std::string>& layer = random_.pick(layers);
    auto phase = static_cast<nvinfer1::TensorRTPhase>(random_.integer(0, 1));
    HeapCollection collection(fields);
    logger_.clear();
    return PluginPointer(
        library_.creator().createPlugin(layer ? layer->c_str() : nullptr, collection.get(), phase));
  }

  const Library& library_;
  Random random_;
  CountingLogger logger_;
  CountingFinder finder_;
  std::map<std::string, int32_t> counts_;
};

inline void fuzz(const Library& library, uint64_t seed, int64_t count) {
  Fuzzer fuzzer(library, seed);
  for (int64_t index = 0; index < count; ++index) {
    try {
      fuzzer.run_wrong(kKinds[static_cast<size_t>(index) % std::size(kKinds)]);
      if (index % kWrongPerRight == 0) fuzzer.run_right();
    } catch (const std::exception& error) {
      throw std::runtime_error("collection " + std::to_string(index) + " of seed " + std::to_string(seed) +
                               ": " + error.what());
    }
  }
  fuzzer.print(seed);
}
