// What commands of holdfastctl are given, and give back.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_COMMAND_OPTIONS_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_COMMAND_OPTIONS_H_

#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace holdfast {

// Exit codes.
inline constexpr int kYes = 0;      // Done; or the answer to the question is yes.
inline constexpr int kNo = 1;       // The answer is no.
inline constexpr int kTrouble = 2;  // It could not be done, or not be answered; stderr tells why.

// What follows the command: as many as it takes.
using Arguments = std::vector<std::string>;

struct CommandOptions {
  // Of running services.
  bool json = false;
  bool wait = false;
  bool follow = false;
  bool raw = false;
  int lines = 0;            // 0 to 10000.
  absl::Duration interval;  // At least 100 ms.
  int iterations = 0;       // 0: until it is told to end.
  // Of crash reports.
  std::string worker;                      // Empty: the one that the report names.
  int runs = 1;                            // At least 1.
  absl::Duration time_limit;               // Of reduce.
  std::string output;                      // Of reduce. Empty: ID-reduced.crash beside the report.
  std::string program_output;              // Empty: the report's, or `output`'s, name with .bc.
  std::vector<std::string> service_flags;  // Limits, for the front.
  absl::Duration call_timeout;             // More than these limits allow a call.
};

inline int Trouble(absl::string_view message) {
  std::cerr << "ERROR: " << message << std::endl;
  return kTrouble;
}
inline int Trouble(const absl::Status& status) { return Trouble(status.message()); }

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_COMMAND_OPTIONS_H_
