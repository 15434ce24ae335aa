#include "frontend/holdfastctl/workbench.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/unique_fd.h"
#include "frontend/crash_reports/crash_report.h"
#include "frontend/failure_status.h"
#include "frontend/holdfastctl/opt_command.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> ServiceFlags(const CrashReport& report, const std::string& worker,
                                      const CommandOptions& options) {
  std::vector<std::string> flags = {
      absl::StrCat("--worker=", worker),
      absl::StrCat("--worker_flags=", absl::StrJoin(report.worker_flags(), ",")),
      "--warm_workers=1",
      "--step_retries=0",
      "--max_crash_reports=0",
      // One program, however large.
      absl::StrCat("--benchmark_cache_bytes=", INT64_MAX),
  };
  flags.insert(flags.end(), options.service_flags.begin(), options.service_flags.end());
  return flags;
}

// Of a step only the action or the observation in which it failed, where that is known.
Call WhatWentOn(Call call, const WorkerFailure& failure) {
  const int index = static_cast<int>(failure.activity_index());
  if (!call.has_step() || index < 0) return call;
  compiler_gym::StepRequest only;
  if (failure.activity() == WorkerFailure::ACTION && index < call.step().action_size()) {
    *only.add_action() = call.step().action(index);
  } else if (failure.activity() == WorkerFailure::OBSERVATION &&
             index < call.step().observation_space_size()) {
    only.add_observation_space(call.step().observation_space(index));
  } else {
    return call;
  }
  *call.mutable_step() = std::move(only);
  return call;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Workbench>> Workbench::Open(const std::string& file,
                                                           const CommandOptions& options) {
  auto bench = absl::WrapUnique(new Workbench);
  absl::StatusOr<CrashReport> report = ReadCrashReport(file);
  if (!report.ok()) return report.status();
  bench->report_ = *std::move(report);
  bench->expected_ = IdentityOf(bench->report_);

  const std::string worker = options.worker.empty() ? bench->report_.worker() : options.worker;
  if (access(worker.c_str(), X_OK) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the worker ", Printable(worker), " cannot be run; --worker names another"));
  }
  absl::StatusOr<std::unique_ptr<PrivateService>> service =
      PrivateService::Start(ServiceFlags(bench->report_, worker, options));
  if (!service.ok()) return service.status();
  bench->service_ = *std::move(service);
  bench->replayer_ = absl::make_unique<Replayer>(bench->service_->stub(), options.call_timeout);
  absl::Status loaded = bench->replayer_->Load(bench->report_);
  if (!loaded.ok()) return loaded;

  const std::string was = bench->report_.version().compiler_version();
  const std::string is = bench->replayer_->version().compiler_version();
  if (is != was) {
    std::cerr << "The report is about " << Printable(was) << ", but the worker is " << Printable(is)
              << std::endl;
  }
  return bench;
}

absl::StatusOr<ReplayOutcome> Workbench::Try(const std::vector<Call>& calls, int runs) {
  absl::StatusOr<ReplayOutcome> outcome;
  do {
    outcome = replayer_->Run(calls);
  } while (outcome.ok() && !IsSameFailure(*outcome) && --runs > 0);
  return outcome;
}

bool Workbench::IsSameFailure(const ReplayOutcome& outcome) const {
  return outcome.failure.has_value() && IsSame(outcome.identity, expected_);
}

std::string Workbench::Describe(const ReplayOutcome& outcome,
                                const std::vector<Call>& calls) const {
  if (!outcome.refusal.empty()) return Printable(outcome.refusal);
  if (!outcome.failure.has_value()) return "no failure";
  const std::string where =
      outcome.failed_call < 0
          ? "the start of the session"
          : DescribeCall(
                WhatWentOn(calls[static_cast<size_t>(outcome.failed_call)], *outcome.failure),
                &replayer_->spaces(), replayer_->action_space());
  WorkerFailure failure = *outcome.failure;
  failure.clear_stderr_tail();
  return absl::StrCat(DescribeFailure(failure), " in ", where);
}

std::string Workbench::DescribeCalls(const std::vector<Call>& calls) const {
  std::string text;
  for (size_t i = 0; i < calls.size(); ++i) {
    absl::StrAppend(&text, "  ", i + 1, ". ",
                    DescribeCall(calls[i], &replayer_->spaces(), replayer_->action_space()), "\n");
  }
  return text;
}

absl::Status Workbench::PrintOptCommand(const ReplayOutcome& outcome,
                                        const std::vector<Call>& calls, const std::string& file) {
  const bool is_in_level =
      outcome.failed_call >= 0 && AppliesLevel(calls[static_cast<size_t>(outcome.failed_call)]);
  if (!is_in_level && !MayBeInAction(outcome.identity)) return absl::OkStatus();
  const absl::StatusOr<absl::optional<OptCommand>> command =
      MakeOptCommand(replayer_.get(), calls, fs::path(file).filename().string());
  if (!command.ok()) {
    std::cout << "No command line: " << Printable(command.status().message()) << "\n";
    return absl::OkStatus();
  }
  if (!command->has_value()) return absl::OkStatus();
  const bool is_replaced = fs::exists(file);
  absl::Status written = WriteFile(file, (*command)->program);
  if (!written.ok()) return written;
  if (is_replaced) std::cout << Printable(file) << " was there and is replaced\n";
  std::cout << "The same without Holdfast, in the directory of " << Printable(file) << ":\n  "
            << (*command)->command << std::endl;
  return absl::OkStatus();
}

absl::Status WriteFile(const std::string& path, const std::string& bytes) {
  // Written aside: what was there stays until the new file is complete.
  std::string temporary = absl::StrCat(path, ".XXXXXX");
  const UniqueFd file(mkostemp(temporary.data(), O_CLOEXEC));  // Mode 0600.
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t count = write(file.get(), bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    size += static_cast<size_t>(count);
  }
  if (size == bytes.size() && rename(temporary.c_str(), path.c_str()) == 0) {
    return absl::OkStatus();
  }
  absl::Status status = absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  unlink(temporary.c_str());
  return status;
}

}  // namespace holdfast
