// What Holdfast costs: each operation of the protocol, through it and in three other ways, beside
// one another in one run. Only ratios mean anything on another machine.
//
//   bazel run //tests/bench:service_benchmark -- [--pinned] [--json=FILE] [--operations=step]
//
// deploy/run_benchmarks.sh runs it pinned and unpinned, and draws the results.
#include <sched.h>

#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/deadlock_detection.h"
#include "tests/bench/closed_loop.h"
#include "tests/bench/report.h"
#include "tests/bench/services.h"
#include "tests/bench/workload.h"

ABSL_FLAG(bool, pinned, false, "Run all processes on one CPU.");
ABSL_FLAG(std::string, json, "",
          "A file to add the results to, with an absolute path: an array of objects.");
ABSL_FLAG(std::vector<std::string>, operations, {}, "What to measure. Default: all there is.");
ABSL_FLAG(int, max_sessions, 64, "Leave out what takes more sessions. At least 1.");
ABSL_FLAG(int, rounds, 8, "Rounds of each way. At least 1.");
ABSL_FLAG(absl::Duration, round_time, absl::Milliseconds(80), "How long clients call in a round.");

namespace holdfast {
namespace {

// To the first CPU that there is. Child processes inherit it.
absl::Status Pin() {
  cpu_set_t allowed;
  cpu_set_t first;
  CPU_ZERO(&first);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return absl::InternalError("no CPUs");
  int cpu = 0;
  while (!CPU_ISSET(cpu, &allowed)) ++cpu;
  CPU_SET(cpu, &first);
  return sched_setaffinity(0, sizeof(first), &first) == 0 ? absl::OkStatus()
                                                          : absl::InternalError("cannot pin");
}

absl::StatusOr<std::vector<Exchange>> ExchangesOf(Client* client) {
  for (const auto call : {&Client::Begin, &Client::Call, &Client::End}) {
    const grpc::Status status = (client->*call)();
    if (!status.ok()) return absl::InternalError(status.error_message());
  }
  return client->exchanges();
}

absl::StatusOr<std::vector<Record>> Measure(const Operation& operation, const Load& load) {
  std::vector<Way> ways;
  ways.push_back(StartHoldfast(operation, load));
  if (operation.can_be_direct) ways.push_back(StartDirectWorkers(operation, load));
  ways.push_back(StartInProcessService(operation, load));
  const auto exchanges = ExchangesOf(ways.back().clients.front().get());
  if (!exchanges.ok()) return exchanges.status();
  ways.push_back(StartPingPong(*exchanges, load));
  auto measurements =
      MeasureInTurns(ways, absl::GetFlag(FLAGS_rounds), absl::GetFlag(FLAGS_round_time));
  if (!measurements.ok()) return measurements.status();
  std::vector<Record> records;
  for (size_t i = 0; i < ways.size(); ++i) {
    Record record = Summarize(std::move((*measurements)[i]), *exchanges);
    record.pinned = absl::GetFlag(FLAGS_pinned);
    record.operation = operation.name;
    record.clients = load.clients;
    record.sessions = load.sessions;
    record.way = ways[i].name;
    records.push_back(std::move(record));
  }
  return records;
}

absl::Status Run() {
  if (absl::GetFlag(FLAGS_rounds) < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--rounds is ", absl::GetFlag(FLAGS_rounds), ", must be >= 1"));
  }
  if (absl::GetFlag(FLAGS_pinned)) {
    absl::Status status = Pin();
    if (!status.ok()) return status;
  }
  const std::vector<std::string> chosen = absl::GetFlag(FLAGS_operations);
  std::vector<Record> all;
  std::cout << (absl::GetFlag(FLAGS_pinned) ? "All on one CPU\n" : "On all CPUs\n");
  PrintHeader();
  for (const Operation& operation : Operations()) {
    if (!chosen.empty() && !absl::c_linear_search(chosen, operation.name)) continue;
    for (const Load& load : operation.loads) {
      if (load.sessions > absl::GetFlag(FLAGS_max_sessions)) continue;
      const absl::StatusOr<std::vector<Record>> records = Measure(operation, load);
      if (!records.ok()) return records.status();
      PrintRows(*records);
      all.insert(all.end(), records->begin(), records->end());
    }
  }
  if (all.empty()) {
    return absl::InvalidArgumentError("--operations and --max_sessions leave nothing to measure");
  }
  const std::string json = absl::GetFlag(FLAGS_json);
  return json.empty() ? absl::OkStatus() : AddToJson(json, all);
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  holdfast::SpareDeadlockDetection();
  absl::SetProgramUsageMessage("Measures what Holdfast costs, beside three other ways.");
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = holdfast::Run();
  if (!status.ok()) std::cerr << "ERROR: " << status.message() << std::endl;
  return status.ok() ? 0 : 1;
}
