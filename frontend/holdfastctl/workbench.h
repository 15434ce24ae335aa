// A crash report, and all that it takes to replay it.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_WORKBENCH_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_WORKBENCH_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "frontend/holdfastctl/command_options.h"
#include "frontend/holdfastctl/private_service.h"
#include "frontend/holdfastctl/replayer.h"

namespace holdfast {

// Confined to the main thread, as its PrivateService.
class Workbench {
 public:
  // Reads the report, and starts a service for it. The worker's version goes to stderr if it is not
  // the report's.
  static absl::StatusOr<std::unique_ptr<Workbench>> Open(const std::string& file,
                                                         const CommandOptions& options);

  const CrashReport& report() const { return report_; }
  Replayer* replayer() { return replayer_.get(); }

  // Up to `runs` replays, until one fails as the report does. Returns the last.
  absl::StatusOr<ReplayOutcome> Try(const std::vector<Call>& calls, int runs);
  // Whether it failed as the report does.
  bool IsSameFailure(const ReplayOutcome& outcome) const;
  // From now on it must fail where this did, if the report does not tell where.
  void LearnPlace(const ReplayOutcome& outcome) {
    if (expected_.where.empty()) expected_.where = outcome.identity.where;
  }
  // "killed by signal 11 (Segmentation fault) in gvn (61)".
  std::string Describe(const ReplayOutcome& outcome, const std::vector<Call>& calls) const;
  // "1. sroa (122)" for each call.
  std::string DescribeCalls(const std::vector<Call>& calls) const;

  // Unless it failed elsewhere than in an action, and the session has a command line for the
  // actions in `calls`, prints that, and writes the program to `file`, beside which it can be run.
  absl::Status PrintOptCommand(const ReplayOutcome& outcome, const std::vector<Call>& calls,
                               const std::string& file);

 private:
  Workbench() = default;

  CrashReport report_;
  FailureIdentity expected_;
  std::unique_ptr<PrivateService> service_;
  std::unique_ptr<Replayer> replayer_;
};

// Replaces `path`, or makes it, with mode 0600. The error names it.
absl::Status WriteFile(const std::string& path, const std::string& bytes);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_WORKBENCH_H_
