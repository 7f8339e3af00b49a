#include "manifest.h"

#include <algorithm>

#include "failure.h"
#include "json.h"
#include "sha256.h"

namespace pitome::example {
namespace {

constexpr const char* kGetAgain = "Get the bundle again, or build it again with `make engine`";
constexpr size_t kManifestLimit = size_t{64} << 20;
constexpr size_t kDigestLimit = 1024;

// A text that may be null.
std::string text_or_empty(const Json& value, const std::string& key) {
  return value.is_null() ? std::string() : value.text(key);
}

ListedFile listed_file(const Json& record) {
  ListedFile file{record["file"].text("file"), record["sha256"].text("sha256")};
  // pitome writes no others; a manifest that was made by hand could name any file of this machine.
  static const std::string kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-/";
  if (file.name.empty() || file.name.front() == '/' || file.name.find("..") != std::string::npos ||
      file.name.find_first_not_of(kAllowed) != std::string::npos) {
    throw Failure("manifest.json", "it names the file " + file.name + ", which lies outside the bundle",
                  kGetAgain);
  }
  return file;
}

template <typename Read>
auto each(const Json& record, const std::string& key, const Read& read) {
  std::vector<decltype(read(record))> found;
  for (const Json& value : record[key].list(key)) found.push_back(read(value));
  return found;
}

TensorRecord tensor_record(const Json& record) {
  TensorRecord found;
  found.name = record["name"].text("name");
  found.dtype = record["dtype"].text("dtype");
  found.optional = record["optional"].boolean("optional");
  if (!record["below"].is_null()) found.below = record["below"].integer("below");
  for (const Json& size : record["shape"].list("shape")) {
    found.shape.push_back(size.is_number() ? size.integer("shape") : -1);
  }
  if (found.shape.empty() ||
      std::any_of(found.shape.begin() + 1, found.shape.end(), [](long long size) { return size < 1; })) {
    throw Failure("the tensor " + found.name, "sizes other than the batch's are not fixed", kGetAgain);
  }
  return found;
}

OnnxRecord onnx_record(const Json& record) {
  return {listed_file(record), record["precision"].text("precision"), record["inlined"].boolean("inlined"),
          !record["external_data"].list("external_data").empty()};
}

PlanRecord plan_record(const Json& record) {
  return {listed_file(record),
          record["backend"].text("backend"),
          record["backend_version"].text("backend_version"),
          each(record, "targets", [](const Json& target) { return target.text("targets"); }),
          record["precision"].text("precision"),
          record["merge_path"].text("merge_path"),
          record["plugin_embedded"].boolean("plugin_embedded")};
}

GraphRecord graph_record(const Json& record) {
  return {record["name"].text("name"),           record["role"].text("role"),
          each(record, "inputs", tensor_record), each(record, "outputs", tensor_record),
          record["merges"].integer("merges"),    each(record, "onnx", onnx_record),
          each(record, "plans", plan_record)};
}

NativeRecord native_record(const Json& record) {
  const Json& api = record["onnxruntime_api"];
  return {listed_file(record), record["kind"].text("kind"), text_or_empty(record["arch"], "arch"),
          text_or_empty(record["glibc"], "glibc"), api.is_null() ? 0 : api.integer("onnxruntime_api")};
}

std::vector<double> numbers(const Json& record, const std::string& key) {
  if (record[key].is_null()) return {};
  return each(record, key, [&key](const Json& value) { return value.number(key); });
}

long long size_or_zero(const Json& record, const std::string& key) {
  return record[key].is_null() ? 0 : record[key].integer(key);
}

ImagePreprocess image_steps(const Json& record) {
  ImagePreprocess found;
  found.height = record["height"].integer("height");
  found.width = record["width"].integer("width");
  found.channels = record["channels"].integer("channels");
  if (const Json& resize = record["resize"]; !resize.is_null()) {
    found.resize = Resize{size_or_zero(resize, "height"), size_or_zero(resize, "width"),
                          size_or_zero(resize, "shortest_edge"), size_or_zero(resize, "longest_edge"),
                          static_cast<Filter>(resize["resample"].integer("resample"))};
  }
  found.crops = each(record, "crops", [](const Json& crop) {
    const Json::List& sizes = crop.list("crops");
    if (sizes.size() != 2) throw Failure("manifest.json", "a crop has no height and width", kGetAgain);
    return Size{sizes[0].integer("crops"), sizes[1].integer("crops")};
  });
  if (!record["rescale_factor"].is_null())
    found.rescale_factor = record["rescale_factor"].number("rescale_factor");
  found.mean = numbers(record, "mean");
  found.std = numbers(record, "std");
  return found;
}

}  // namespace

Manifest Manifest::read(const std::string& folder) {
  const std::string path = folder + "/manifest.json";
  const std::string document = read_file(path, kManifestLimit);
  const std::string written = read_file(path + ".sha256", kDigestLimit);
  if (written != sha256(document) + "  manifest.json\n") {
    throw Failure(path, "its SHA-256 is " + sha256(document) + ", which manifest.json.sha256 does not say",
                  kGetAgain);
  }
  const Json root = Json::parse(document, path);
  if (const long long version = root["schema_version"].integer("schema_version"); version != 2) {
    throw Failure(path, "its schema_version is " + std::to_string(version) + ", this program reads 2",
                  "Use the example of the version of pitome that wrote it");
  }
  const Json& model = root["model"];
  Manifest found;
  found.folder = folder;
  found.model = model["name"].text("name");
  found.random_weights = model["weights"]["random"].boolean("random");
  if (model["preprocess"]["kind"].text("kind") == "image") found.images = image_steps(model["preprocess"]);
  found.graphs = each(root, "graphs", graph_record);
  found.native = each(root, "native", native_record);
  if (found.graphs.empty()) throw Failure(path, "it has no graphs", kGetAgain);
  return found;
}

const GraphRecord& Manifest::graph(const std::optional<std::string>& role,
                                   const std::optional<std::string>& input) const {
  std::vector<std::string> roles;
  for (const GraphRecord& graph : graphs) {
    const bool takes_it =
        std::any_of(graph.inputs.begin(), graph.inputs.end(),
                    [&input](const TensorRecord& each) { return !input || each.name == *input; });
    if (role ? graph.role == *role : takes_it) return graph;
    roles.push_back(graph.role);
  }
  const std::string known = "the graphs of " + folder + " are " + listed(roles);
  if (role) throw Failure("--graph " + *role, known, "Name one of them");
  throw Failure("the input " + input.value_or(""), known + ", and none has it",
                "See graphs in manifest.json");
}

const NativeRecord* Manifest::library(const std::string& kind) const {
  const auto found = std::find_if(native.begin(), native.end(),
                                  [&kind](const NativeRecord& record) { return record.kind == kind; });
  return found == native.end() ? nullptr : &*found;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (size_t at = 0; at < names.size(); ++at) {
    text += (at == 0 ? "" : at + 1 == names.size() ? " and " : ", ") + names[at];
  }
  return names.empty() ? "none" : text;
}

}  // namespace pitome::example
