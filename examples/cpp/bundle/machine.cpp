#include "machine.h"

#include <gnu/libc-version.h>
#include <sys/utsname.h>

#include <cstdio>

#include "failure.h"

namespace pitome::example {

bool is_older(const std::string& version, const std::string& wanted) {
  int have[2] = {}, need[2] = {};
  std::sscanf(version.c_str(), "%d.%d", &have[0], &have[1]);
  std::sscanf(wanted.c_str(), "%d.%d", &need[0], &need[1]);
  return have[0] != need[0] ? have[0] < need[0] : have[1] < need[1];
}

void check_machine(const NativeRecord& library, const std::string& remedy) {
  const std::string asked = "the library " + library.file.name;
  struct utsname machine = {};
  ::uname(&machine);
  if (!library.arch.empty() && library.arch != machine.machine) {
    throw Failure(asked, "it is for " + library.arch + ", this machine is " + machine.machine, remedy);
  }
  const std::string here = ::gnu_get_libc_version();
  if (!library.glibc.empty() && is_older(here, library.glibc)) {
    throw Failure(asked, "it needs glibc " + library.glibc + ", this machine has " + here, remedy);
  }
}

}  // namespace pitome::example
