#include "files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "failure.h"
#include "sha256.h"

namespace pitome::example {
namespace {

constexpr const char* kGetAgain = "Get the bundle again";
constexpr size_t kLargestFile = size_t{1} << 40;

// An open file, closed at the end of its life.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value() const { return value_; }

 private:
  int value_;
};

std::string reason() { return std::strerror(errno); }

void write_all(int descriptor, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t count = ::write(descriptor, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      throw Failure(path, "it can't be written (" + reason() + ")", "Make room, or choose another");
    content.remove_prefix(static_cast<size_t>(count));
  }
}

}  // namespace

std::string read_file(const std::string& path, size_t limit) {
  // Not waiting: a pipe would be waited for until somebody writes to it.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.value() < 0) throw Failure(path, "it can't be opened (" + reason() + ")", "Correct the path");
  struct stat status = {};
  if (::fstat(file.value(), &status) != 0 || !S_ISREG(status.st_mode)) {
    throw Failure(path, "it is no regular file", "Give a file");
  }
  if (static_cast<uintmax_t>(status.st_size) > limit) {
    throw Failure(path,
                  "it has " + std::to_string(status.st_size) + " bytes, more than " + std::to_string(limit),
                  "Give a smaller one");
  }
  std::string content(static_cast<size_t>(status.st_size), '\0');
  size_t filled = 0;
  while (filled < content.size()) {
    const ssize_t count = ::read(file.value(), content.data() + filled, content.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Failure(path, "it can't be read (" + reason() + ")", "Look at the disk");
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  content.resize(filled);
  return content;
}

void write_file(const std::string& path, std::string_view content) {
  const std::string beside = path + ".part-" + std::to_string(::getpid());
  const int opened = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (opened < 0) throw Failure(path, "it can't be written (" + reason() + ")", "Choose another place");
  try {
    const Descriptor file(opened);
    write_all(file.value(), content, path);
  } catch (...) {
    ::unlink(beside.c_str());
    throw;
  }
  if (std::rename(beside.c_str(), path.c_str()) != 0) {
    const std::string why = reason();
    ::unlink(beside.c_str());
    throw Failure(path, "it can't be written (" + why + ")", "Choose another place");
  }
}

std::string read_listed(const std::string& folder, const ListedFile& file) {
  const std::string path = folder + "/" + file.name;
  std::string content = read_file(path, kLargestFile);
  const std::string found = sha256(content);
  if (found != file.sha256) {
    throw Failure(path, "its SHA-256 is " + found + ", that of the manifest " + file.sha256, kGetAgain);
  }
  return content;
}

PrivateFile::PrivateFile(std::string_view content)
    : descriptor_(::memfd_create("library", MFD_CLOEXEC)),
      path_("/proc/self/fd/" + std::to_string(descriptor_)) {
  if (descriptor_ < 0) throw Failure("a file in memory", reason(), "Use Linux 3.17 or newer");
  try {
    write_all(descriptor_, content, path_);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

PrivateFile::~PrivateFile() { ::close(descriptor_); }

}  // namespace pitome::example
