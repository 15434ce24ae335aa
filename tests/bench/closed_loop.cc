#include "tests/bench/closed_loop.h"

#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace holdfast {
namespace {

CpuTime operator-(const CpuTime& a, const CpuTime& b) {
  return {a.front - b.front, a.worker - b.worker};
}

// Waits until the service has done what calls have left to do, such as starting workers: it belongs
// to these calls, and to no later round. What it has used until then.
CpuTime CpuTimeWhenQuiet(const Service& service) {
  const absl::Time give_up = absl::Now() + absl::Seconds(5);
  const absl::Duration pause = absl::Milliseconds(4);
  CpuTime cpu = service.cpu_time();
  CpuTime used;
  do {
    absl::SleepFor(pause);
    const CpuTime before = cpu;
    cpu = service.cpu_time();
    used = cpu - before;
  } while (used.front + used.worker > 0.1 * pause && absl::Now() < give_up);
  return cpu;
}

// One client's closed loop.
grpc::Status CallUntil(absl::Time end, Client* client, std::vector<double>* latencies_us) {
  absl::Time now = absl::Now();
  do {
    const absl::Time start = now;
    grpc::Status status = client->Call();
    if (!status.ok()) return status;
    now = absl::Now();
    latencies_us->push_back(absl::ToDoubleMicroseconds(now - start));
  } while (now < end);
  return grpc::Status::OK;
}

// Calls `work` for each client, on a thread of its own, all beginning at once. The first error.
template <typename Work>
grpc::Status InParallel(size_t clients, const Work& work) {
  absl::Notification begin;
  std::vector<grpc::Status> statuses(clients);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] {
      begin.WaitForNotification();
      statuses[i] = work(i);
    });
  }
  begin.Notify();
  for (std::thread& thread : threads) thread.join();
  for (const grpc::Status& status : statuses) {
    if (!status.ok()) return status;
  }
  return grpc::Status::OK;
}

grpc::Status RunRound(const Way& way, absl::Duration round_time, Measurement* measurement) {
  for (const auto& client : way.clients) {
    grpc::Status status = client->Begin();
    if (!status.ok()) return status;
  }
  std::vector<std::vector<double>> latencies_us(way.clients.size());
  const CpuTime cpu = CpuTimeWhenQuiet(*way.service);
  const absl::Time start = absl::Now();
  grpc::Status status = InParallel(way.clients.size(), [&](size_t i) {
    return CallUntil(start + round_time, way.clients[i].get(), &latencies_us[i]);
  });
  if (!status.ok()) return status;
  measurement->time += absl::Now() - start;
  const CpuTime used = CpuTimeWhenQuiet(*way.service) - cpu;
  measurement->cpu.front += used.front;
  measurement->cpu.worker += used.worker;
  for (const auto& some : latencies_us) {
    measurement->latencies_us.insert(measurement->latencies_us.end(), some.begin(), some.end());
  }
  for (const auto& client : way.clients) {
    status = client->End();
    if (!status.ok()) return status;
  }
  CpuTimeWhenQuiet(*way.service);
  return grpc::Status::OK;
}

}  // namespace

absl::StatusOr<std::vector<Measurement>> MeasureInTurns(const std::vector<Way>& ways, int rounds,
                                                        absl::Duration round_time) {
  std::vector<Measurement> measurements(ways.size());
  for (int round = -1; round < rounds; ++round) {
    for (size_t i = 0; i < ways.size(); ++i) {
      const grpc::Status status = RunRound(ways[i], round_time, &measurements[i]);
      if (!status.ok()) {
        return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                            absl::StrCat(ways[i].name, ": ", status.error_message()));
      }
    }
    if (round < 0) measurements.assign(ways.size(), Measurement());
  }
  return measurements;
}

}  // namespace holdfast
