#include "frontend/logging/worker_log.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "frontend/logging/log.h"
#include "frontend/logging/log_format.h"

namespace holdfast {
namespace {

constexpr size_t kMaxLineBytes = 4 << 10;
constexpr size_t kMaxWorkerBytes = 1 << 20;

}  // namespace

WorkerLog::WorkerLog(std::string directory, LogFormat format)
    : directory_(std::move(directory)), format_(format) {
  Reopen();
}

WorkerLog::~WorkerLog() {
  while (!workers_.empty()) WorkerGone(workers_.begin()->first);
}

bool WorkerLog::Reopen() {
  if (directory_.empty()) return true;
  absl::StatusOr<std::unique_ptr<LogFile>> file = LogFile::Open(directory_, "workers.log");
  if (!file.ok()) {
    LogWarning(Subsystem::kLog, "log of the workers not opened",
               {{"why", file.status().message()}});
    return false;
  }
  file_ = *std::move(file);
  return true;
}

void WorkerLog::WorkerOutput(uint64_t worker, bool is_stderr, absl::string_view bytes) {
  if (file_ == nullptr) return;
  Worker& state = workers_[worker];
  std::string& line = state.unfinished[is_stderr ? 1 : 0];
  while (!state.is_muted && !bytes.empty()) {
    const size_t room = kMaxLineBytes - line.size();
    const absl::string_view piece = bytes.substr(0, std::min(room, bytes.find('\n')));
    absl::StrAppend(&line, piece);
    bytes.remove_prefix(piece.size());
    if (bytes.empty()) break;  // More of this line may come.
    absl::ConsumePrefix(&bytes, "\n");
    WriteLine(worker, is_stderr, line, &state);
    line.clear();
  }
  file_->Flush();
}

void WorkerLog::WorkerGone(uint64_t worker) {
  const auto found = workers_.find(worker);
  if (found == workers_.end()) return;
  for (const bool is_stderr : {false, true}) {
    const std::string& line = found->second.unfinished[is_stderr ? 1 : 0];
    if (!line.empty()) WriteLine(worker, is_stderr, line, &found->second);
  }
  file_->Flush();
  workers_.erase(found);
}

void WorkerLog::WriteLine(uint64_t id, bool is_stderr, absl::string_view line, Worker* worker) {
  if (worker->is_muted) return;
  absl::ConsumeSuffix(&line, "\r");
  WorkerLine written = {absl::Now(), id, is_stderr ? "stderr" : "stdout", line};
  std::string text = FormatWorkerLine(format_, written);
  worker->written_bytes += text.size() + 1;
  if (worker->written_bytes > kMaxWorkerBytes) {
    worker->is_muted = true;
    written.stream = "output";
    written.text = "it has written much; the rest is dropped";
    text = FormatWorkerLine(format_, written);
  }
  file_->Write(text);
}

}  // namespace holdfast
