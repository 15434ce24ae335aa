// What was measured, as a table for people and as JSON for programs.
#ifndef HOLDFAST_TESTS_BENCH_REPORT_H_
#define HOLDFAST_TESTS_BENCH_REPORT_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/bench/closed_loop.h"
#include "tests/bench/workload.h"

namespace holdfast {

// One operation, done in one way by so many clients. Its JSON object has the same names.
struct Record {
  bool pinned = false;
  std::string operation;
  int clients = 0;
  int sessions = 0;
  std::string way;
  int64_t calls = 0;
  int64_t request_bytes = 0;
  int64_t reply_bytes = 0;
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;  // The slowest, of fewer than 1000 calls.
  double calls_per_s = 0;
  double front_cpu_us = 0;  // Per call, as the next.
  double worker_cpu_us = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Record, pinned, operation, clients, sessions, way, calls,
                                   request_bytes, reply_bytes, p50_us, p99_us, p999_us, calls_per_s,
                                   front_cpu_us, worker_cpu_us)

// What can be told of the calls; whose they are is left to the caller.
Record Summarize(Measurement measurement, const std::vector<Exchange>& exchanges);

void PrintHeader();
// The ways of one operation and load, Holdfast first: the others are compared with it.
void PrintRows(const std::vector<Record>& records);

// Adds the records to those that the file holds, if there is one.
absl::Status AddToJson(const std::string& path, const std::vector<Record>& records);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_REPORT_H_
