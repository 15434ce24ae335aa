#include "frontend/holdfastctl/commands.h"

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "frontend/crash_reports/crash_report.h"
#include "frontend/holdfastctl/minimize.h"
#include "frontend/holdfastctl/report_text.h"
#include "frontend/holdfastctl/workbench.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// Beside `file`, with another ending: "dir/x.crash" with ".bc" is "dir/x.bc".
std::string Beside(const std::string& file, const std::string& ending) {
  const fs::path path(file);
  return (path.parent_path() / (path.stem().string() + ending)).string();
}

std::string ProgramFile(const CommandOptions& options, const std::string& report) {
  return options.program_output.empty() ? Beside(report, ".bc") : options.program_output;
}

// One line on a terminal, written again and again.
class Progress {
 public:
  ~Progress() { Show(""); }
  void Show(const std::string& text) {
    if (is_terminal_) std::cerr << "\r\033[K" << text << std::flush;
  }

 private:
  const bool is_terminal_ = isatty(STDERR_FILENO) == 1;
};

// Leaves out of a report's calls what it does not take to fail.
class Reduction {
 public:
  Reduction(Workbench* bench, const CommandOptions& options)
      : bench_(bench),
        runs_(options.runs),
        deadline_(absl::Now() + options.time_limit),
        atoms_(AtomsOf(CallsOf(bench->report()))) {}

  // Whether it fails at all. Fills in what follows if so.
  absl::StatusOr<bool> Run() {
    // As it was, or else nothing can be said; then one by one, if that makes no difference.
    std::vector<int> all(atoms_.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int>(i);
    if (!Fails(all)) return error_.ok() ? absl::StatusOr<bool>(false) : error_;
    grouping_ = Grouping::kSplit;
    if (!Fails(all)) grouping_ = Grouping::kOriginal;
    bench_->LearnPlace(outcome_);
    result_ = Minimize(static_cast<int>(atoms_.size()),
                       [this](const std::vector<int>& kept) -> absl::optional<bool> {
                         if (!error_.ok() || absl::Now() > deadline_) return absl::nullopt;
                         return Fails(kept);
                       });
    if (!error_.ok()) return error_;
    return true;
  }

  const std::vector<Call>& calls() const { return calls_; }
  const ReplayOutcome& outcome() const { return outcome_; }
  const MinimizeResult& result() const { return result_; }
  int runs() const { return total_runs_; }

 private:
  bool Fails(const std::vector<int>& kept) {
    progress_.Show(
        absl::StrCat("run ", ++total_runs_, ": ", kept.size(), " of ", atoms_.size(), " parts"));
    std::vector<Call> calls = Assemble(atoms_, kept, grouping_);
    absl::StatusOr<ReplayOutcome> outcome = bench_->Try(calls, runs_);
    if (!outcome.ok()) {
      error_ = outcome.status();
      return false;
    }
    if (!bench_->IsSameFailure(*outcome)) return false;
    calls.resize(static_cast<size_t>(outcome->failed_call) + 1);  // The others were not made.
    calls_ = std::move(calls);
    outcome_ = *std::move(outcome);
    return true;
  }

  Workbench* const bench_;
  const int runs_;
  const absl::Time deadline_;
  const std::vector<Atom> atoms_;
  Grouping grouping_ = Grouping::kOriginal;
  Progress progress_;
  int total_runs_ = 0;
  absl::Status error_;
  // The last that failed, which is the smallest.
  std::vector<Call> calls_;
  ReplayOutcome outcome_;
  MinimizeResult result_;
};

}  // namespace

int RunList(const Arguments& arguments, const CommandOptions& options) {
  const absl::StatusOr<std::string> text = ListReports(arguments[0]);
  if (!text.ok()) return Trouble(text.status());
  std::cout << *text << std::flush;
  return kYes;
}

int RunShow(const Arguments& arguments, const CommandOptions& options) {
  const absl::StatusOr<CrashReport> report = ReadCrashReport(arguments[0]);
  if (!report.ok()) return Trouble(report.status());
  std::cout << ShowReport(*report) << std::flush;
  return kYes;
}

int RunReplay(const Arguments& arguments, const CommandOptions& options) {
  const std::string& file = arguments[0];
  const absl::StatusOr<std::unique_ptr<Workbench>> bench = Workbench::Open(file, options);
  if (!bench.ok()) return Trouble(bench.status());
  const std::vector<Call> calls = CallsOf((*bench)->report());
  int same = 0;
  ReplayOutcome failed;  // As it should.
  std::string other;
  for (int run = 0; run < options.runs; ++run) {
    const absl::StatusOr<ReplayOutcome> outcome = (*bench)->Try(calls, /*runs=*/1);
    if (!outcome.ok()) return Trouble(outcome.status());
    const std::string text = (*bench)->Describe(*outcome, calls);
    std::cout << "run " << run + 1 << ": " << text << std::endl;
    if ((*bench)->IsSameFailure(*outcome)) {
      ++same;
      failed = *outcome;
    } else if (outcome->failure.has_value() || !outcome->refusal.empty()) {
      other = text;
    }
  }
  if (same == 0) {
    std::cout << (other.empty() ? "no longer fails" : absl::StrCat("fails differently: ", other))
              << std::endl;
    return kNo;
  }
  std::cout << "fails in the same way in " << same << " of " << options.runs << " runs"
            << std::endl;
  const absl::Status printed = (*bench)->PrintOptCommand(failed, calls, ProgramFile(options, file));
  return printed.ok() ? kYes : Trouble(printed);
}

int RunReduce(const Arguments& arguments, const CommandOptions& options) {
  const std::string& file = arguments[0];
  const absl::StatusOr<std::unique_ptr<Workbench>> bench = Workbench::Open(file, options);
  if (!bench.ok()) return Trouble(bench.status());
  const absl::Time start = absl::Now();
  Reduction reduction(bench->get(), options);
  const absl::StatusOr<bool> fails = reduction.Run();
  if (!fails.ok()) return Trouble(fails.status());
  if (!*fails) {
    std::cout << "does not fail in the same way (in " << options.runs
              << " runs; --runs allows more)" << std::endl;
    return kNo;
  }
  const std::vector<Call>& calls = reduction.calls();
  const MinimizeResult& result = reduction.result();
  const std::string output = options.output.empty()
                                 ? Beside(file, absl::StrCat("-reduced", kCrashReportSuffix))
                                 : options.output;
  const absl::Status written = WriteFile(
      output,
      WithCalls((*bench)->report(), calls, *reduction.outcome().failure).SerializeAsString());
  if (!written.ok()) return Trouble(written);
  std::cout << (result.is_minimal ? "Minimal sequence" : "The shortest sequence in the time limit")
            << ", " << CountActions(calls) << " of " << CountActions(CallsOf((*bench)->report()))
            << " actions:\n"
            << (*bench)->DescribeCalls(calls) << (*bench)->Describe(reduction.outcome(), calls)
            << "\n"
            << reduction.runs() << " runs in "
            << absl::FormatDuration(absl::Trunc(absl::Now() - start, absl::Milliseconds(1)))
            << "; written to " << Printable(output) << std::endl;
  const absl::Status printed =
      (*bench)->PrintOptCommand(reduction.outcome(), calls, ProgramFile(options, output));
  return printed.ok() ? kYes : Trouble(printed);
}

}  // namespace holdfast
