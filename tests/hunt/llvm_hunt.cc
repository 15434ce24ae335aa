// Hunts for crashes of LLVM: random passes on given programs, on a running service, which reports
// what it finds.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "worker/llvm/demo/service_client.h"

ABSL_FLAG(std::string, service, "", "The service, as HOST:PORT or unix:PATH.");
ABSL_FLAG(std::string, reports, "", "The service's --crash_report_dir.");
ABSL_FLAG(int, want, 3, "End when there are so many reports.");
ABSL_FLAG(absl::Duration, time_limit, absl::Seconds(30), "End after this in any case.");
ABSL_FLAG(std::string, space, "unsafe", "The action space.");
ABSL_FLAG(uint32_t, seed, 1, "Seed of the passes.");
ABSL_FLAG(int, steps, 24, "Steps of an episode, one pass each.");
ABSL_FLAG(int, clients, 2, "Sessions at a time.");

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// LLVM's hooks for tests: what they do is no find.
constexpr absl::string_view kHooks = "trigger-";

struct Program {
  std::string name;
  std::string contents;
};

struct Hunt {
  std::vector<Program> programs;
  absl::Time end;
  std::atomic<int> episodes{0};
  std::atomic<int> crashes{0};  // Hangs included.
  std::atomic<bool> is_over{false};
};

int CountReports() {
  std::error_code error;
  int count = 0;
  for (const auto& entry : fs::directory_iterator(absl::GetFlag(FLAGS_reports), error)) {
    count += entry.path().extension() == ".crash" ? 1 : 0;
  }
  return count;
}

bool IsOver(Hunt* hunt) {
  if (absl::Now() > hunt->end || CountReports() >= absl::GetFlag(FLAGS_want)) hunt->is_over = true;
  return hunt->is_over;
}

// One session, until it ends or the hunt does.
absl::Status RunEpisode(Hunt* hunt, demo::ServiceClient* client, const std::vector<int>& actions,
                        std::mt19937* random) {
  const Program& program = hunt->programs[(*random)() % hunt->programs.size()];
  absl::Status status = client->SetProgram(absl::StrCat("benchmark://csmith/", program.name),
                                           program.contents, absl::GetFlag(FLAGS_space));
  if (!status.ok()) return status;
  const absl::StatusOr<int64_t> started = client->Start();
  if (!started.ok()) return started.status();
  for (int step = 0; step < absl::GetFlag(FLAGS_steps) && !IsOver(hunt); ++step) {
    const absl::StatusOr<demo::StepOutcome> outcome =
        client->Step(actions[(*random)() % actions.size()]);
    if (!outcome.ok()) break;  // Say, a session that was lost: others go on.
    if (outcome->kind == demo::StepOutcome::Kind::kRefused) break;
    if (outcome->kind != demo::StepOutcome::Kind::kApplied) ++hunt->crashes;
  }
  ++hunt->episodes;
  return client->End();
}

absl::Status RunClient(Hunt* hunt, unsigned seed) {
  absl::StatusOr<std::unique_ptr<demo::ServiceClient>> client =
      demo::ServiceClient::Connect(absl::GetFlag(FLAGS_service));
  if (!client.ok()) return client.status();
  const absl::StatusOr<std::vector<std::string>> names =
      (*client)->ActionNames(absl::GetFlag(FLAGS_space));
  if (!names.ok()) return names.status();
  std::vector<int> actions;
  for (size_t i = 0; i < names->size(); ++i) {
    if (!absl::StartsWith((*names)[i], kHooks)) actions.push_back(static_cast<int>(i));
  }
  if (actions.empty()) return absl::NotFoundError("the action space has no names");
  std::mt19937 random(seed);
  while (!IsOver(hunt)) {
    absl::Status status = RunEpisode(hunt, client->get(), actions, &random);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

int RunHunt(const std::vector<std::string>& files) {
  Hunt hunt;
  hunt.end = absl::Now() + absl::GetFlag(FLAGS_time_limit);
  for (const std::string& path : files) {
    std::ifstream file(path, std::ios::binary);
    hunt.programs.push_back(
        {fs::path(path).stem().string(), {std::istreambuf_iterator<char>(file), {}}});
    if (!file) {
      std::cerr << "ERROR: cannot read " << path << std::endl;
      return 1;
    }
  }
  if (hunt.programs.empty()) {
    std::cerr << "ERROR: there are no programs, must be at least 1" << std::endl;
    return 1;
  }
  std::atomic<bool> is_broken{false};
  std::vector<std::thread> clients;
  for (int i = 0; i < absl::GetFlag(FLAGS_clients); ++i) {
    clients.emplace_back([&, seed = absl::GetFlag(FLAGS_seed) * 1000 + static_cast<unsigned>(i)] {
      const absl::Status status = RunClient(&hunt, seed);
      if (status.ok()) return;
      std::cerr << absl::StrCat("ERROR: ", status.message(), "\n") << std::flush;
      is_broken = true;
      hunt.is_over = true;
    });
  }
  for (std::thread& client : clients) client.join();
  std::cout << hunt.episodes << " episodes, " << hunt.crashes << " failed steps, " << CountReports()
            << " reports" << std::endl;
  return is_broken ? 1 : 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Hunts for crashes of LLVM.\n\n"
      "  llvm_hunt --service=ADDRESS --reports=DIR PROGRAM.bc ...");
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  return holdfast::RunHunt({arguments.begin() + 1, arguments.end()});
}
