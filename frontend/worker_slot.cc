#include "frontend/worker_slot.h"

#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/byte_buffer.h"
#include "common/invariant.h"
#include "common/roles.h"
#include "common/utf8.h"
#include "common/worker_progress.h"
#include "frontend/crash_reports/failure_site.h"
#include "frontend/restart_policy.h"
#include "frontend/spawner/worker_link.h"
#include "frontend/worker_growth.h"

namespace holdfast {
namespace {

constexpr absl::Duration kRetirementGrace = absl::Seconds(1);

// legal[from][to]
constexpr bool kLegal[kWorkerStates][kWorkerStates] = {
    //              Starting Idle   Leased Resetting Retiring Dead
    /* Starting */ {false, true, false, false, true, true},
    /* Idle */ {false, false, true, false, true, true},
    /* Leased */ {false, true, false, true, true, true},
    /* Resetting */ {false, true, false, false, true, true},
    /* Retiring */ {false, false, false, false, false, true},
    /* Dead */ {false, false, false, false, false, false},
};

bool IsEmptyDirectory(const std::string& directory) {
  std::error_code error;
  return std::filesystem::is_empty(directory, error) && !error;
}

// Whether all that was in it is gone.
bool EmptyDirectory(const std::string& directory) {
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::filesystem::remove_all(entry->path(), error);
    if (error) return false;
  }
  return !error;
}

}  // namespace

absl::string_view WorkerStateName(WorkerState state) {
  constexpr absl::string_view kNames[kWorkerStates] = {"starting",  "idle",     "leased",
                                                       "resetting", "retiring", "dead"};
  return kNames[static_cast<int>(state)];
}

bool IsLegalTransition(WorkerState from, WorkerState to) {
  return kLegal[static_cast<int>(from)][static_cast<int>(to)];
}

WorkerSlot::WorkerSlot(uint64_t id, const Dependencies& dependencies, Events events)
    : id_(id),
      dependencies_(dependencies),
      events_(std::move(events)),
      started_(dependencies.clock->Now()),
      self_(std::make_shared<WorkerSlot*>(this)) {}

WorkerSlot::~WorkerSlot() {
  *self_ = nullptr;
  dependencies_.clock->Cancel(timer_);
}

void WorkerSlot::Transition(WorkerState to) {
  const WorkerState from = state_;
  CheckInvariant(IsLegalTransition(from, to), "worker ", id_, ": illegal transition ",
                 WorkerStateName(from), " -> ", WorkerStateName(to));
  state_ = to;
  events_.on_transition(this, from, to);
}

void WorkerSlot::Start(const WorkerCommand& command, absl::Duration timeout) {
  const auto fail_later = [this](std::string error) {
    dependencies_.clock->RunAfter(absl::ZeroDuration(), [self = self_, error = std::move(error)] {
      ProcessExit exit;
      exit.error = error;
      if (*self != nullptr) (*self)->Exited(exit);
    });
  };
  directory_ = absl::StrCat(command.scratch_root, "/worker-", id_);
  const std::string scratch = ScratchDirectory();
  if (mkdir(directory_.c_str(), 0700) != 0 || mkdir(scratch.c_str(), 0700) != 0) {
    fail_later(absl::StrCat("cannot make ", scratch, ": ", std::strerror(errno)));
    return;
  }
  client_files_ = std::make_shared<ClientFiles>(absl::StrCat(command.scratch_root, "/files-", id_),
                                                dependencies_.run_blocking);
  absl::StatusOr<FdPair> link = MakeWorkerLink();
  if (!link.ok()) {
    fail_later(std::string(link.status().message()));
    return;
  }
  ProcessRequest request;
  request.arguments = command.arguments;
  request.arguments.push_back(absl::StrCat("--worker_scratch_directory=", scratch));
  request.arguments.push_back(
      absl::StrCat("--worker_client_files_directory=", client_files_->path()));
  request.arguments.push_back(absl::StrCat("--worker_progress_file=", ProgressFile()));
  request.environment = command.environment;
  request.environment.push_back(absl::StrCat("TMPDIR=", scratch));
  request.environment.push_back(absl::StrCat("HOME=", scratch));
  request.working_directory = scratch;
  request.binary = command.binary;
  request.link = std::move(link->second);
  request.limits = command.limits.process;
  limits_ = command.limits;
  client_ = dependencies_.make_client(std::move(link->first));

  ProcessSpawner::Events events;
  events.on_started = [this](pid_t pid) { pid_ = pid; };
  events.on_output = [this](bool is_stderr, absl::string_view bytes) {
    if (is_stderr) stderr_tail_.Append(bytes);
    events_.on_output(this, is_stderr, bytes);
  };
  events.on_exit = [self = self_](const ProcessExit& exit) {
    if (*self != nullptr) (*self)->Exited(exit);
  };
  process_ = dependencies_.spawner->Spawn(std::move(request), std::move(events));
  timer_ = dependencies_.clock->RunAfter(timeout, [this] { Kill(WorkerFailure::START_TIMEOUT); });
  // The timer above, which also kills, is the limit; the call's own comes later, as a backstop.
  client_->Call(WorkerMethod::kDescribe, Serialize(DescribeRequest()), absl::Now() + 2 * timeout,
                [self = self_, post = dependencies_.post](WorkerReply reply) {
                  post([self, reply = std::move(reply)] {
                    if (*self != nullptr) (*self)->Described(reply);
                  });
                });
}

void WorkerSlot::Described(const WorkerReply& reply) {
  if (state_ != WorkerState::kStarting) return;
  DescribeReply description;
  if (!reply.status.ok() || !Parse(reply.message, &description).ok()) {
    // Usually the process has ended, and its exit tells more: wait for that, but not for ever.
    dependencies_.clock->Cancel(timer_);
    timer_ = dependencies_.clock->RunAfter(kRetirementGrace, [this] { Kill(WorkerFailure::LINK); });
    return;
  }
  dependencies_.clock->Cancel(timer_);
  if (description.has_step_lane()) client_->UseStepLane();
  const auto usage = dependencies_.spawner->Measure({process_}, /*whole_groups=*/false).front();
  if (usage.has_value()) first_bytes_ = usage->memory_bytes;
  Transition(WorkerState::kIdle);
  events_.on_ready(this, description);
}

void WorkerSlot::Lease() { Transition(WorkerState::kLeased); }

void WorkerSlot::Return() { Transition(WorkerState::kIdle); }

void WorkerSlot::Reset() {
  Transition(WorkerState::kResetting);
  ++resets_;
  timer_ = dependencies_.clock->RunAfter(kRetirementGrace, [this] { Retire(); });
  EndSession([this](bool ended) { SessionEnded(ended); });
}

void WorkerSlot::SessionEnded(bool ended) {
  if (state_ != WorkerState::kResetting) return;
  if (!ended) {
    Retire();
    return;
  }
  std::vector<std::string> directories = {ScratchDirectory()};
  // A session that was parked may want its files still.
  if (client_files_.use_count() == 1 && client_files_->Exist()) {
    directories.push_back(client_files_->path());
  }
  // Most sessions leave nothing: to see that takes less than to ask another thread.
  if (absl::c_all_of(directories, IsEmptyDirectory)) {
    Emptied(true);
    return;
  }
  dependencies_.run_blocking(
      [self = self_, post = dependencies_.post, directories = std::move(directories)] {
        post([self, emptied = absl::c_all_of(directories, EmptyDirectory)] {
          if (*self != nullptr) (*self)->Emptied(emptied);
        });
      });
}

void WorkerSlot::Emptied(bool emptied) {
  if (state_ != WorkerState::kResetting) return;
  const auto usage = dependencies_.spawner->Measure({process_}, /*whole_groups=*/true).front();
  // The next session must not pay for what the last one did.
  const bool is_fit = emptied && kill_reason_.cause() == WorkerFailure::UNKNOWN &&
                      usage.has_value() && usage->others == 0 && !usage->memory_limit_hit &&
                      !usage->process_limit_hit && !HasGrown(first_bytes_, usage->memory_bytes);
  if (!is_fit) {
    Retire();
    return;
  }
  dependencies_.clock->Cancel(timer_);
  stderr_tail_.Clear();
  Transition(WorkerState::kIdle);
  events_.on_reset(this);
}

void WorkerSlot::Retire() {
  const bool holds_session = state_ == WorkerState::kLeased;
  is_retired_ = true;
  Transition(WorkerState::kRetiring);
  dependencies_.clock->Cancel(timer_);
  if (!holds_session) {
    Kill(WorkerFailure::UNKNOWN);
    return;
  }
  timer_ =
      dependencies_.clock->RunAfter(kRetirementGrace, [this] { Kill(WorkerFailure::UNKNOWN); });
  EndSession([this](bool) { Kill(WorkerFailure::UNKNOWN); });
}

void WorkerSlot::EndSession(std::function<void(bool ended)> then) {
  compiler_gym::EndSessionRequest request;
  request.set_session_id(1);
  client_->Call(
      WorkerMethod::kEndSession, Serialize(request), absl::Now() + kRetirementGrace,
      [self = self_, post = dependencies_.post, then = std::move(then)](const WorkerReply& reply) {
        post([self, then, ended = reply.status.ok()] {
          if (*self != nullptr) then(ended);
        });
      });
}

void WorkerSlot::Kill(const WorkerFailure& reason) {
  if (state_ == WorkerState::kDead) return;
  if (kill_reason_.cause() == WorkerFailure::UNKNOWN) kill_reason_ = reason;
  dependencies_.spawner->Kill(process_);
}

void WorkerSlot::Kill(WorkerFailure::Cause cause) {
  WorkerFailure reason;
  reason.set_cause(cause);
  Kill(reason);
}

void WorkerSlot::Exited(const ProcessExit& exit) {
  if (state_ == WorkerState::kDead) return;
  const WorkerState last = state_;
  dependencies_.clock->Cancel(timer_);
  FillFailure(exit);
  RemoveDirectory();
  Transition(WorkerState::kDead);
  events_.on_dead(this, last);
}

void WorkerSlot::FillFailure(const ProcessExit& exit) {
  failure_ = Judge(exit);
  failure_.set_stderr_tail(PrintableTail(stderr_tail_.text()));  // It must be UTF-8.
  if (!exit.known && kill_reason_.cause() == WorkerFailure::UNKNOWN && !is_retired_) {
    failure_.set_stderr_tail(absl::StrCat(failure_.stderr_tail(), ToUtf8(exit.error)));
  }
  failure_.set_signal(exit.signal);
  failure_.set_exit_code(exit.exit_code);
  failure_.set_peak_rss_bytes(exit.peak_rss_bytes);
  failure_.set_cpu_seconds(exit.cpu_seconds);
  const WorkerProgress progress = ReadProgress(ProgressFile());
  failure_.set_activity(progress.activity);
  failure_.set_activity_index(progress.index);
  is_permanent_failure_ = IsPermanentStartFailure(exit.exit_code, exit.signal);
}

WorkerFailure WorkerSlot::Judge(const ProcessExit& exit) const {
  // That the link failed says least: whatever ended the worker ended its link, too.
  const WorkerFailure::Cause kill_cause = kill_reason_.cause();
  if (kill_cause != WorkerFailure::UNKNOWN && kill_cause != WorkerFailure::LINK) {
    return kill_reason_;
  }
  if (is_retired_) return WorkerFailure();
  if (const auto excess = FindExcess(limits_, exit, stderr_tail_.text())) return *excess;
  if (kill_cause == WorkerFailure::LINK) return kill_reason_;
  WorkerFailure failure;
  if (!exit.known) {
    failure.set_cause(exit.spawner_lost ? WorkerFailure::SPAWNER_LOST : WorkerFailure::SPAWN);
  } else {
    failure.set_cause(exit.signal != 0 ? WorkerFailure::SIGNAL : WorkerFailure::EXIT);
  }
  return failure;
}

void WorkerSlot::RemoveDirectory() {
  dependencies_.run_blocking([directory = directory_] {
    std::error_code ignored;  // What cannot be removed here goes with the root.
    std::filesystem::remove_all(directory, ignored);
  });
}

}  // namespace holdfast
