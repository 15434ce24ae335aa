#include "tests/bench/report.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace holdfast {
namespace {

// The least value that so large a share does not exceed.
double Quantile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

Record Summarize(Measurement measurement, const std::vector<Exchange>& exchanges) {
  std::vector<double>& latencies_us = measurement.latencies_us;
  std::sort(latencies_us.begin(), latencies_us.end());
  const auto calls = static_cast<double>(latencies_us.size());
  Record record;
  record.calls = static_cast<int64_t>(latencies_us.size());
  record.p50_us = Quantile(latencies_us, 0.5);
  record.p99_us = Quantile(latencies_us, 0.99);
  record.p999_us = Quantile(latencies_us, 0.999);
  record.calls_per_s = calls / absl::ToDoubleSeconds(measurement.time);
  record.front_cpu_us = absl::ToDoubleMicroseconds(measurement.cpu.front) / calls;
  record.worker_cpu_us = absl::ToDoubleMicroseconds(measurement.cpu.worker) / calls;
  for (const Exchange& exchange : exchanges) {
    record.request_bytes += static_cast<int64_t>(exchange.request_bytes);
    record.reply_bytes += static_cast<int64_t>(exchange.reply_bytes);
  }
  return record;
}

void PrintHeader() {
  absl::PrintF("%76s %19s   %s\n", "latency, us", "CPU, us per call", "Holdfast / this");
  absl::PrintF("%-18s %7s %8s %-10s %8s %9s %9s %9s %9s %9s | %6s %6s %6s %9s\n", "operation",
               "clients", "sessions", "way", "p50", "p99", "p99.9", "calls/s", "front", "worker",
               "p50", "p99", "rate", "calls");
}

void PrintRows(const std::vector<Record>& records) {
  const Record& holdfast = records.front();
  for (const Record& record : records) {
    absl::PrintF("%-18s %7d %8d %-10s %8.1f %9.1f %9.1f %9.0f %9.1f %9.1f | ", record.operation,
                 record.clients, record.sessions, record.way, record.p50_us, record.p99_us,
                 record.p999_us, record.calls_per_s, record.front_cpu_us, record.worker_cpu_us);
    if (&record == &holdfast) {
      absl::PrintF("%20s", "");
    } else {
      absl::PrintF("%6.2f %6.2f %6.3f", holdfast.p50_us / record.p50_us,
                   holdfast.p99_us / record.p99_us, holdfast.calls_per_s / record.calls_per_s);
    }
    absl::PrintF(" %9d\n", record.calls);
  }
  std::cout << std::flush;
}

absl::Status AddToJson(const std::string& path, const std::vector<Record>& records) {
  nlohmann::json all = nlohmann::json::array();
  if (std::ifstream old(path); old) all = nlohmann::json::parse(old, nullptr, false);
  if (!all.is_array()) return absl::InvalidArgumentError(path + " holds no JSON array");
  for (const Record& record : records) all.push_back(record);
  std::ofstream file(path);
  file << all.dump(1) << std::endl;
  return file ? absl::OkStatus() : absl::UnavailableError("cannot write " + path);
}

}  // namespace holdfast
