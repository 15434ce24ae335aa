// Makes crash reports of real crashes.
#ifndef HOLDFAST_TESTS_HOLDFASTCTL_CRASH_MAKER_H_
#define HOLDFAST_TESTS_HOLDFASTCTL_CRASH_MAKER_H_

#include <string>
#include <vector>

#include "proto/crash_report.pb.h"

namespace holdfast {

struct Crash {
  std::string worker;   // A path in the workspace.
  std::string program;  // Of the benchmark.
  int action_space = 0;
  // The names of the actions of each step, or the actions themselves, if they are texts. In the
  // last one a worker fails.
  std::vector<std::vector<std::string>> steps;
  std::vector<std::string> service_flags;
};

// What a service would report of it: runs it on one.
CrashReport MakeReport(const Crash& crash);

// Writes DIRECTORY/ID.crash, and returns its path.
std::string WriteReport(const std::string& directory, const CrashReport& report);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_HOLDFASTCTL_CRASH_MAKER_H_
