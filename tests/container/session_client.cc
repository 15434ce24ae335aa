// Steps one session of an LLVM service that runs elsewhere, waits in the middle of it for whoever
// wants to disturb it, and compares it with a session that nobody disturbed.
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "worker/llvm/demo/service_client.h"

ABSL_FLAG(std::string, service, "127.0.0.1:50051", "The service, as HOST:PORT.");
ABSL_FLAG(std::string, benchmark, "benchmark://container-v0/program",
          "The session's benchmark, by its URI.");
ABSL_FLAG(std::string, program, "",
          "The file of its program. Default: the service brings the benchmark.");
ABSL_FLAG(bool, pause, false, "Whether to wait in the middle for a line on standard input.");

namespace holdfast::demo {
namespace {

constexpr char kSpace[] = "passes";
constexpr const char* kActions[] = {"sroa",        "instcombine<no-verify-fixpoint>",
                                    "simplifycfg", "inline",
                                    "sroa",        "gvn",
                                    "loop-rotate", "licm",
                                    "adce",        "instcombine<no-verify-fixpoint>",
                                    "simplifycfg", "globaldce"};
constexpr size_t kPauseAfter = std::size(kActions) / 2;

absl::StatusOr<std::unique_ptr<ServiceClient>> Connect() {
  absl::StatusOr<std::unique_ptr<ServiceClient>> client =
      ServiceClient::Connect(absl::GetFlag(FLAGS_service));
  if (!client.ok()) return client;
  const std::string uri = absl::GetFlag(FLAGS_benchmark);
  const std::string path = absl::GetFlag(FLAGS_program);
  absl::Status status;
  if (path.empty()) {
    status = (*client)->SetBenchmark(uri, kSpace);
  } else {
    std::ifstream file(path, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat("cannot read --program=", path));
    status = (*client)->SetProgram(
        uri, std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()),
        kSpace);
  }
  if (!status.ok()) return status;
  return client;
}

// The program's size at first and after each action.
absl::StatusOr<std::vector<int64_t>> RunSession(ServiceClient& client, bool is_disturbed) {
  const absl::StatusOr<std::vector<std::string>> names = client.ActionNames(kSpace);
  if (!names.ok()) return names.status();
  const absl::StatusOr<int64_t> start = client.Start();
  if (!start.ok()) return start.status();
  if (is_disturbed) std::cout << "started: " << *start << " instructions" << std::endl;
  std::vector<int64_t> sizes = {*start};
  for (const char* action : kActions) {
    if (is_disturbed && sizes.size() == kPauseAfter + 1) {
      std::cout << "paused after " << kPauseAfter << " actions" << std::endl;
      std::string line;
      std::getline(std::cin, line);
    }
    const auto found = absl::c_find(*names, action);
    if (found == names->end()) {
      return absl::NotFoundError(absl::StrCat("the service has no action named ", action));
    }
    const absl::StatusOr<StepOutcome> outcome =
        client.Step(static_cast<int>(found - names->begin()));
    if (!outcome.ok()) return outcome.status();
    if (outcome->kind != StepOutcome::Kind::kApplied) {
      return absl::AbortedError(absl::StrCat("the action ", action, " failed"));
    }
    sizes.push_back(outcome->cost);
  }
  if (absl::Status status = client.End(); !status.ok()) return status;
  return sizes;
}

int Fail(const absl::Status& status) {
  std::cerr << "session_client: " << status.message() << std::endl;
  return 1;
}

int Run() {
  const absl::StatusOr<std::unique_ptr<ServiceClient>> client = Connect();
  if (!client.ok()) return Fail(client.status());
  const absl::StatusOr<std::vector<int64_t>> sizes =
      RunSession(**client, absl::GetFlag(FLAGS_pause));
  if (!sizes.ok()) return Fail(sizes.status());
  const absl::StatusOr<std::vector<int64_t>> undisturbed = RunSession(**client, false);
  if (!undisturbed.ok()) return Fail(undisturbed.status());
  if (*sizes != *undisturbed) {
    return Fail(
        absl::DataLossError(absl::StrCat("instructions were ", absl::StrJoin(*sizes, ", "),
                                         ", but undisturbed ", absl::StrJoin(*undisturbed, ", "))));
  }
  std::cout << "done: " << std::size(kActions) << " actions, from " << sizes->front() << " to "
            << sizes->back() << " instructions, as undisturbed" << std::endl;
  return 0;
}

}  // namespace
}  // namespace holdfast::demo

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Steps a session of an LLVM service, and compares it with another.");
  absl::ParseCommandLine(argc, argv);
  return holdfast::demo::Run();
}
