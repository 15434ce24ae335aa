#include "tests/bench/many_cpus.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

// A worker runs in a directory of its own.
std::string AbsolutePath(const std::string& path) {
  return std::filesystem::absolute(RunfilePath(path)).string();
}

}  // namespace

std::string ManyCpusVariable() {
  return "LD_PRELOAD=" + AbsolutePath("tests/integration/libmany_cpus.so");
}

ManyCpusWorker::ManyCpusWorker(const std::string& binary) {
  std::ofstream script(path());
  // Scripts are run as /dev/fd/N. Closed here, N does not count as the worker's; sh could not close
  // it if it is above 9.
  script << "#!/bin/bash\n"
         << "fd=${0##*/}\n"
         << "exec {fd}<&-\n"
         << "exec env '" << ManyCpusVariable() << "' '" << AbsolutePath(binary) << "' \"$@\"\n";
  script.close();
  EXPECT_TRUE(script) << path();
  EXPECT_EQ(chmod(path().c_str(), 0700), 0);
}

}  // namespace holdfast
