// Files of a bundle: read once, checked by their digest, and used from the same bytes.
#pragma once

#include <string>
#include <string_view>

namespace pitome::example {

// The content of a regular file. Throws Failure where it is none, or longer than `limit`.
std::string read_file(const std::string& path, size_t limit);

// Writes a file that is complete or not there: beside its place first, then renamed. Throws Failure.
void write_file(const std::string& path, std::string_view content);

// A file of the bundle, as the manifest lists it.
struct ListedFile {
  std::string name;
  std::string sha256;
};

// The content of `file` in the bundle. Throws Failure where it is missing or another one.
std::string read_listed(const std::string& folder, const ListedFile& file);

// Bytes as a file of this process alone, so that what was checked is what dlopen loads: a shared library
// can't be loaded from memory, and the file in the bundle may be replaced after it was read.
class PrivateFile {
 public:
  explicit PrivateFile(std::string_view content);
  ~PrivateFile();
  PrivateFile(const PrivateFile&) = delete;
  PrivateFile& operator=(const PrivateFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  int descriptor_;
  std::string path_;
};

}  // namespace pitome::example
