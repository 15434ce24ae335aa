// What holdfastctl does: a function for each command.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_COMMANDS_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_COMMANDS_H_

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace holdfast {

// Exit codes.
inline constexpr int kFound = 0;     // It fails in the same way. Of list and show: done.
inline constexpr int kNotFound = 1;  // It does not.
inline constexpr int kTrouble = 2;   // The question could not be answered; stderr tells why.

struct CommandOptions {
  std::string worker;                      // Empty: the one that the report names.
  int runs = 1;                            // At least 1.
  absl::Duration time_limit;               // Of reduce.
  std::string output;                      // Of reduce. Empty: ID-reduced.crash beside the report.
  std::string program_output;              // Empty: the report's, or `output`'s, name with .bc.
  std::vector<std::string> service_flags;  // Limits, for the front.
  absl::Duration call_timeout;             // More than these limits allow a call.
};

// Each takes a path, prints to stdout, errors to stderr, and returns an exit code.
int RunList(const std::string& directory, const CommandOptions& options);
int RunShow(const std::string& file, const CommandOptions& options);
int RunReplay(const std::string& file, const CommandOptions& options);
int RunReduce(const std::string& file, const CommandOptions& options);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_COMMANDS_H_
