// Torments the workers of real services while clients step sessions, and then proves that no
// session noticed: each must have answered, and must be, as a session of an undisturbed service is.
// See README.md.
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/chaos/client.h"
#include "tests/chaos/report.h"
#include "tests/chaos/session_type.h"
#include "tests/chaos/tormentor.h"
#include "tests/chaos/undisturbed_run.h"
#include "tests/integration/service_process.h"

ABSL_FLAG(int, clients, 16, "Clients, over all session types; 1 to 1000.");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(60),
          "How long the torment goes on. More than 0. To compare the states takes about as long.");
ABSL_FLAG(uint64_t, seed, 1, "Seed of all choices of clients and tormentor.");
ABSL_FLAG(std::string, session, "both", "Session types: example, llvm or both.");
ABSL_FLAG(std::vector<std::string>, torment,
          (std::vector<std::string>{"kill", "segv", "stop", "memory"}),
          "What is done to workers: some of kill, segv, stop, memory and spawner; empty: nothing.");
ABSL_FLAG(double, torments_per_second, 4, "On average, over all services. More than 0.");
ABSL_FLAG(absl::Duration, step_timeout, absl::Seconds(3),
          "Of the services: how long a stopped worker holds up its session. More than 0.");
ABSL_FLAG(std::vector<std::string>, service_flags, {}, "Further flags for the services.");

namespace holdfast::chaos {
namespace {

// For what a service does in the background at its end.
constexpr absl::Duration kPatience = absl::Seconds(20);

// The tormented service of one session type, and its clients.
struct Arena {
  std::unique_ptr<ServiceProcess> service;
  Offer offer;
  std::vector<std::unique_ptr<Client>> clients;
};

std::vector<std::string> ServiceFlags() {
  std::vector<std::string> flags = {
      absl::StrCat("--step_timeout=", absl::FormatDuration(absl::GetFlag(FLAGS_step_timeout))),
      "--worker_start_timeout=5s",
      // A step that the tormentor has killed twice is as good as any other.
      "--refuse_poisoned_steps=false"};
  for (const std::string& flag : absl::GetFlag(FLAGS_service_flags)) flags.push_back(flag);
  return flags;
}

// "": the flags make sense. Else what is wrong with them.
std::string CheckFlags() {
  const auto out_of_range = [](const char* flag, const auto& value, const char* range) {
    return absl::StrCat("--", flag, " is ", value, ", must be ", range);
  };
  const int clients = absl::GetFlag(FLAGS_clients);
  if (clients < 1 || clients > 1000) return out_of_range("clients", clients, "in [1, 1000]");
  if (absl::GetFlag(FLAGS_duration) <= absl::ZeroDuration()) {
    return out_of_range("duration", absl::FormatDuration(absl::GetFlag(FLAGS_duration)),
                        "more than 0");
  }
  const double rate = absl::GetFlag(FLAGS_torments_per_second);
  if (!(rate > 0)) return out_of_range("torments_per_second", rate, "more than 0");
  const std::string session = absl::GetFlag(FLAGS_session);
  if (session != "example" && session != "llvm" && session != "both") {
    return out_of_range("session", session, "example, llvm or both");
  }
  return "";
}

// Programs and workers are found beside this program, however it is started.
void FindRunfiles() {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  setenv("TEST_SRCDIR", (self + ".runfiles").c_str(), /*overwrite=*/0);
  setenv("TEST_WORKSPACE", "holdfast", /*overwrite=*/0);
}

std::vector<Arena> Prepare() {
  std::vector<Arena> arenas;
  const std::string wanted = absl::GetFlag(FLAGS_session);
  for (const SessionType& type : SessionTypes()) {
    if (wanted != "both" && wanted != type.name) continue;
    Arena& arena = arenas.emplace_back();
    arena.service = std::make_unique<ServiceProcess>(type.worker, ServiceFlags());
    arena.offer = AskFor(type, *arena.service);
    AddPrograms(arena.offer, arena.service->NewClient().get());
  }
  // Now that the arenas have their places.
  for (int i = 0; i < absl::GetFlag(FLAGS_clients); ++i) {
    Arena& arena = arenas[static_cast<size_t>(i) % arenas.size()];
    const uint64_t seed = absl::GetFlag(FLAGS_seed) * 1000003 + static_cast<uint64_t>(i);
    arena.clients.push_back(std::make_unique<Client>(*arena.service, arena.offer, seed));
  }
  return arenas;
}

// Calls `act` with all clients at once.
void WithAllClients(const std::vector<Arena>& arenas, const std::function<void(Client*)>& act) {
  std::vector<std::thread> threads;
  for (const Arena& arena : arenas) {
    for (const auto& client : arena.clients) threads.emplace_back(act, client.get());
  }
  for (std::thread& thread : threads) thread.join();
}

void RunChaos(const std::vector<Arena>& arenas, const std::vector<Torment>& torments,
              Report* report) {
  std::vector<const ServiceProcess*> services;
  for (const Arena& arena : arenas) services.push_back(arena.service.get());
  Tormentor tormentor(services, torments, absl::GetFlag(FLAGS_torments_per_second),
                      absl::GetFlag(FLAGS_seed));
  absl::Notification over;
  std::thread tormenting([&] { tormentor.Run(over); });
  std::thread timer([&] {
    absl::SleepFor(absl::GetFlag(FLAGS_duration));
    over.Notify();
  });
  WithAllClients(arenas, [&](Client* client) { client->Run(over); });
  timer.join();
  tormenting.join();
  report->delivered = tormentor.delivered();
  // What is left of the sessions now is their records: the final states come from these.
  if (!torments.empty()) {
    for (const ServiceProcess* service : services) KillAllWorkers(*service);
  }
  WithAllClients(arenas, [](Client* client) { client->Finish(); });
}

// Scratch directories of the service, or, `below` them, of its workers.
int CountScratch(const ServiceProcess& service, bool below) {
  int count = 0;
  std::error_code ignored;  // What is looked at may go away.
  for (const auto& entry : std::filesystem::directory_iterator(service.directory())) {
    if (!absl::StartsWith(entry.path().filename().string(), kScratchPrefix)) continue;
    if (!below) {
      ++count;
      continue;
    }
    for (const auto& worker : std::filesystem::directory_iterator(entry.path(), ignored)) {
      if (absl::StartsWith(worker.path().filename().string(), "worker-")) ++count;
    }
  }
  return count;
}

// Ends the service, and takes stock of what is left.
void EndService(ServiceProcess* service, Report* report) {
  report->sessions_left += TestSession(*service, /*id=*/1).End();
  const auto surplus = [&] {
    return CountScratch(*service, /*below=*/true) - static_cast<int>(service->workers().size());
  };
  WaitUntil([&] { return surplus() <= 0; }, kPatience);
  report->scratch_left += std::max(0, surplus());
  report->AddMetrics(service->MetricsText());
  const absl::optional<int> exit = service->Terminate();
  if (exit != 0) report->faults.push_back(absl::StrCat("a service ends with ", exit.value_or(-1)));
  WaitUntil([&] { return CountProcessesOf(service->directory()) == 0; }, kPatience);
  report->processes_left += CountProcessesOf(service->directory());
  report->scratch_left += CountScratch(*service, /*below=*/false);
}

// Compares all sessions of the type with undisturbed ones.
void Compare(const Arena& arena, Report* report) {
  // A nondeterministic crash of the compiler itself costs a retry here as well.
  ServiceProcess undisturbed(arena.offer.type->worker, {"--step_retries=3"});
  AddPrograms(arena.offer, undisturbed.NewClient().get());
  std::vector<const SessionRecord*> records;
  for (const auto& client : arena.clients) {
    for (const SessionRecord& record : client->records()) records.push_back(&record);
  }
  std::vector<std::string> differences(records.size());
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads(std::max(1u, std::thread::hardware_concurrency()));
  for (std::thread& thread : threads) {
    thread = std::thread([&] {
      for (size_t i = next++; i < records.size(); i = next++) {
        differences[i] = FindDifference(*records[i], undisturbed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  report->sessions_compared += static_cast<int>(records.size());
  if (records.empty()) report->faults.emplace_back("no session of a type came to its end");
  for (const std::string& difference : differences) {
    if (!difference.empty()) report->wrong_states.push_back(difference);
  }
}

int Run() {
  const std::string complaint = CheckFlags();
  const absl::StatusOr<std::vector<Torment>> torments =
      TormentsByName(absl::GetFlag(FLAGS_torment));
  if (!complaint.empty() || !torments.ok()) {
    std::fprintf(
        stderr, "ERROR: %s\n",
        complaint.empty() ? std::string(torments.status().message()).c_str() : complaint.c_str());
    return 2;
  }
  std::printf("seed %lu, %d clients, %s of torment\n", absl::GetFlag(FLAGS_seed),
              absl::GetFlag(FLAGS_clients),
              absl::FormatDuration(absl::GetFlag(FLAGS_duration)).c_str());
  std::fflush(stdout);
  Report report;
  report.seed = absl::GetFlag(FLAGS_seed);
  const std::vector<Arena> arenas = Prepare();
  RunChaos(arenas, *torments, &report);
  for (const Arena& arena : arenas) {
    for (const auto& client : arena.clients) report.tally.Add(client->tally());
    EndService(arena.service.get(), &report);
  }
  for (const Arena& arena : arenas) Compare(arena, &report);
  std::printf("%s", report.Text().c_str());
  return report.IsGood() ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::chaos

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Torments workers and compares all sessions with undisturbed ones.");
  absl::ParseCommandLine(argc, argv);
  holdfast::chaos::FindRunfiles();
  return holdfast::chaos::Run();
}
