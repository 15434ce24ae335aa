#include "frontend/frontend.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/deadlock_detection.h"
#include "common/unique_fd.h"
#include "common/version.h"
#include "frontend/admin/journal.h"
#include "frontend/admin/operations.h"
#include "frontend/admin/service_limits.h"
#include "frontend/admin/status_collector.h"
#include "frontend/benchmarks/benchmark_cache.h"
#include "frontend/benchmarks/benchmark_loader.h"
#include "frontend/compiler_service.h"
#include "frontend/crash_reports/crash_reporter.h"
#include "frontend/event_loop.h"
#include "frontend/grpc_worker_client.h"
#include "frontend/health/drain.h"
#include "frontend/health/liveness.h"
#include "frontend/health/readiness.h"
#include "frontend/listener.h"
#include "frontend/logging/library_log.h"
#include "frontend/logging/log.h"
#include "frontend/logging/worker_log.h"
#include "frontend/metrics/metrics.h"
#include "frontend/options.h"
#include "frontend/rpc_server.h"
#include "frontend/service_manager/service_manager.h"
#include "frontend/session_sweeper.h"
#include "frontend/session_table.h"
#include "frontend/spawner/spawner_client.h"
#include "frontend/warm_target.h"
#include "frontend/worker_command.h"
#include "frontend/worker_description.h"
#include "frontend/worker_pool.h"
#include "frontend/working_directory.h"

namespace holdfast {
namespace {

// How long workers and spawner may take to go when the service ends.
constexpr absl::Duration kKillTimeout = absl::Seconds(5);
// What a worker takes of the front's descriptors (link, output, pidfd), and the front for itself.
constexpr int64_t kDescriptorsPerWorker = 4;
constexpr int64_t kOwnDescriptors = 100;
// How long repeats of a log line may be suppressed without anybody being told.
constexpr absl::Duration kRepeatsPeriod = absl::Minutes(1);

// As many descriptors as the system lets us have. Returns how many workers these are enough for.
int64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return INT64_MAX;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  const auto descriptors = static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, INT64_MAX));
  return std::max(int64_t{0}, descriptors - kOwnDescriptors) / kDescriptorsPerWorker;
}

Metrics::Limits LimitsOf(const Options& options) {
  return {options.max_sessions, options.max_workers, options.max_record_bytes,
          options.max_inflight_bytes, options.checkpoint_bytes};
}

// The supervision thread is the main thread: it runs the loop. Members are in the order of their
// making; each uses only those above it.
class Frontend {
 public:
  explicit Frontend(Options options)
      : options_(std::move(options)),
        liveness_(&loop_),
        readiness_(&liveness_),
        metrics_(RpcMethodNames(), LimitsOf(options_)),
        journal_({&metrics_, &readiness_, &description_}),
        drain_(&loop_, {options_.session_drain_timeout, options_.drain_timeout},
               MakeDrainActions()),
        prefetched_(options_.warm_workers),
        table_(options_.max_sessions),
        sweeper_(&loop_, &table_, &metrics_, {options_.session_idle_timeout, options_.park_after}) {
  }

  absl::Status Start(const std::string& program, bool is_worker);
  // Until the service was told to end, and has.
  void Run();

 private:
  absl::Status StartProcesses(const std::string& program, bool is_worker);
  absl::Status StartCrashReports();
  absl::Status StartServing();
  absl::Status Announce();
  std::unique_ptr<Operations> MakeOperations();
  SessionEnvironment MakeEnvironment();
  UnaryServer::Hooks MakeHooks();
  Drain::Actions MakeDrainActions();

  void TellMechanisms();
  void ReopenLogs(int signal);
  // Tells of log lines that were suppressed, from now on.
  void TellRepeats();
  // The end of the drain.
  void EndSessions();

  const Options options_;
  EventLoop loop_;
  Liveness liveness_;
  Readiness readiness_;
  Metrics metrics_;
  WorkerDescription description_;
  Journal journal_;
  Drain drain_;
  WorkingDirectory directory_;
  std::unique_ptr<WorkerLog> worker_log_;
  UniqueFd worker_binary_;
  std::string worker_path_;  // Absolute.
  std::unique_ptr<SpawnerClient> spawner_;
  std::unique_ptr<RpcServer> rpc_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<BenchmarkCache> cache_;
  std::unique_ptr<BenchmarkLoader> loader_;
  std::unique_ptr<CrashReporter> crash_reporter_;
  std::unique_ptr<CheckpointStore> checkpoints_;
  BoundedCount prefetched_;
  SessionEnvironment environment_;
  SessionTable table_;
  SessionSweeper sweeper_;
  std::unique_ptr<CompilerService> service_;
  std::unique_ptr<Operations> operations_;
  std::unique_ptr<Listener> listener_;
};

absl::Status Frontend::Start(const std::string& program, bool is_worker) {
  for (const int signal : {SIGTERM, SIGINT}) {
    loop_.OnSignal(signal, [this, signal] { drain_.OnSignal(signal); });
  }
  for (const int signal : {SIGUSR1, SIGHUP}) {
    loop_.OnSignal(signal, [this, signal] { ReopenLogs(signal); });
  }
  metrics_.SetReadiness(&readiness_);
  absl::Status status = StartProcesses(program, is_worker);
  if (status.ok()) status = StartServing();
  if (status.ok()) status = Announce();
  if (status.ok()) {
    ReportToServiceManager(
        &loop_, &readiness_, [this] { return liveness_.Complaint().empty(); },
        [this](absl::AnyInvocable<void()> work) { loop_.Post(std::move(work)); });
  }
  return status;
}

absl::Status Frontend::StartProcesses(const std::string& program, bool is_worker) {
  absl::StatusOr<UniqueFd> binary = OpenWorkerBinary(options_, is_worker);
  if (!binary.ok()) return binary.status();
  worker_binary_ = *std::move(binary);
  std::error_code ignored;
  worker_path_ = std::filesystem::canonical(
                     options_.worker.empty() ? "/proc/self/exe" : options_.worker, ignored)
                     .string();
  const UniqueFd self(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  spawner_ = absl::make_unique<SpawnerClient>(&loop_, self.get(), options_.worker_cgroups);
  absl::Status status = spawner_->Start();
  if (!status.ok()) return status;

  absl::StatusOr<WorkingDirectory> directory = WorkingDirectory::Make(options_.working_dir);
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);
  status = spawner_->RemoveAtEnd(directory_.to_remove());
  if (!status.ok()) return status;
  LogOptions log;
  log.directory = directory_.logs();
  log.to_stderr = options_.log_to_stderr;
  log.format = options_.log_format;
  log.levels = options_.log_levels;
  InitLogging(std::move(log));
  worker_log_ = absl::make_unique<WorkerLog>(directory_.logs(), options_.log_format);
  journal_.SetWorkerLog(worker_log_.get());

  const int64_t workers = RaiseDescriptorLimit();
  if (workers == 0) return absl::FailedPreconditionError("RLIMIT_NOFILE is too low for a worker");
  if (workers < options_.max_workers) {
    LogWarning(Subsystem::kFront, "descriptors (RLIMIT_NOFILE) are not enough for --max_workers",
               {{"max_workers", options_.max_workers}, {"enough_for", workers}});
  }
  rpc_ = absl::make_unique<RpcServer>(
      RpcServer::Options{options_.max_message_bytes, options_.grpc_reflection}, &readiness_,
      MakeHooks());
  TellMechanisms();
  WorkerPool::Options pool_options;
  pool_options.warm = options_.warm_workers;
  pool_options.max = options_.max_workers;
  pool_options.reuse = options_.worker_reuse;
  pool_options.available_memory = AvailableMemory;
  pool_options.start_timeout = options_.worker_start_timeout;
  pool_options.wait_timeout = options_.worker_wait_timeout;
  WorkerSlot::Dependencies slots;
  slots.clock = &loop_;
  slots.spawner = spawner_.get();
  slots.make_client = [this](UniqueFd link) {
    return std::make_shared<GrpcWorkerClient>(
        std::move(link), static_cast<int>(options_.max_message_bytes), rpc_->queue(), rpc_->gate());
  };
  slots.post = [this](absl::AnyInvocable<void()> work) { loop_.Post(std::move(work)); };
  slots.run_blocking = [this](absl::AnyInvocable<void()> work) {
    loop_.RunBlocking(std::move(work));
  };
  WorkerCommand command =
      MakeWorkerCommand(options_, program, worker_binary_.get(), directory_.scratch());
  command.limits.is_memory_watched = spawner_->mechanisms().memory == kWatchdog;
  pool_ = absl::make_unique<WorkerPool>(pool_options, std::move(command), slots,
                                        journal_.MakePoolObserver());
  return absl::OkStatus();
}

absl::Status Frontend::StartServing() {
  cache_ =
      absl::make_unique<BenchmarkCache>(options_.benchmark_cache_bytes, std::random_device()());
  metrics_.SetBenchmarkCache([this] { return cache_->GetStats(); });
  loader_ = absl::make_unique<BenchmarkLoader>(BenchmarkLoader::Options{
      options_.benchmark_roots, options_.allow_benchmark_commands, options_.max_message_bytes});
  absl::Status status = StartCrashReports();
  if (!status.ok()) return status;
  checkpoints_ = absl::make_unique<CheckpointStore>(options_.checkpoint_bytes);
  metrics_.SetCheckpoints([this] { return checkpoints_->GetStats(); });
  operations_ = MakeOperations();
  environment_ = MakeEnvironment();
  CompilerService::Dependencies service;
  service.environment = &environment_;
  service.table = &table_;
  service.cache = cache_.get();
  service.loader = loader_.get();
  service.description = &description_;
  service.metrics = &metrics_;
  service.max_record_bytes = options_.max_record_bytes;
  service.max_sessions = options_.max_sessions;
  service.front_name = options_.front_name;
  service.run_on_queue = [this](absl::AnyInvocable<void()> work) {
    rpc_->RunOnQueue(std::move(work));
  };
  service.run_blocking = [this](absl::AnyInvocable<void()> work) {
    loop_.RunBlocking(std::move(work));
  };
  service_ = absl::make_unique<CompilerService>(service);

  status = operations_->ServePages();
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Open(&loop_, options_.listen);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  absl::string_view socket = options_.listen;
  if (absl::ConsumePrefix(&socket, "unix:")) status = spawner_->RemoveAtEnd(std::string(socket));
  if (!status.ok()) return status;
  status = rpc_->Start(service_->service(), [this](grpc::ServerCompletionQueue* queue) {
    return service_->Methods(queue);
  });
  if (!status.ok()) return status;
  // Draining is the last change, so none comes after the server's end.
  readiness_.Observe([this](const Readiness::Snapshot& /*now*/) { rpc_->TellHealth(); });
  status = operations_->ServeAdmin();
  if (!status.ok()) return status;
  listener_->Start([this](UniqueFd connection) { rpc_->Serve(std::move(connection)); });
  liveness_.Start([this](absl::AnyInvocable<void()> work) { rpc_->RunOnQueue(std::move(work)); });
  pool_->Start();
  sweeper_.Start();
  TellRepeats();
  return status;
}

absl::Status Frontend::StartCrashReports() {
  CrashReporter::Options options;
  options.directory = options_.crash_report_dir.empty()
                          ? absl::StrCat(directory_.path(), "/crashes")
                          : options_.crash_report_dir;
  options.max_reports = options_.max_crash_reports;
  options.max_bytes = options_.max_crash_report_bytes;
  options.worker = worker_path_;
  options.worker_flags = options_.worker_flags;
  crash_reporter_ = absl::make_unique<CrashReporter>(
      std::move(options), &description_,
      [this](absl::AnyInvocable<void()> work) { loop_.RunBlocking(std::move(work)); });
  journal_.SetCrashReporter(crash_reporter_.get());
  metrics_.SetCrashReports([this] { return crash_reporter_->GetStats(); });
  return crash_reporter_->Start();
}

// Operators must be able to tell what holds a worker to its limits.
void Frontend::TellMechanisms() {
  auto mechanisms = DescribeMechanisms(options_, spawner_->mechanisms());
  std::vector<LogField> fields;
  for (const auto& [limit, mechanism] : mechanisms) fields.emplace_back(limit, mechanism);
  LogInfo(Subsystem::kFront, "limits on workers are enforced", fields);
  metrics_.SetLimitMechanisms(std::move(mechanisms));
}

void Frontend::ReopenLogs(int signal) {
  const bool is_open = ReopenLog();
  if (worker_log_->Reopen() && is_open) {
    LogInfo(Subsystem::kLog, "logs are opened anew", {{"signal", signal}});
  }
}

void Frontend::TellRepeats() {
  FlushRepeats();
  loop_.RunAfter(kRepeatsPeriod, [this] { TellRepeats(); });
}

absl::Status Frontend::Announce() {
  const std::string host = options_.listen.substr(0, options_.listen.rfind(':'));
  const std::string address =
      listener_->port() == 0 ? options_.listen : absl::StrCat(host, ":", listener_->port());
  std::string metrics_address;
  std::string metrics = "off";
  if (operations_->http_port() != 0) {
    const std::string& listen = options_.metrics_listen;
    metrics_address =
        absl::StrCat(listen.substr(0, listen.rfind(':')), ":", operations_->http_port());
    metrics = absl::StrCat("http://", metrics_address, "/metrics");
  }
  operations_->status()->SetAddresses(address, metrics_address);
  LogInfo(Subsystem::kFront, "serves",
          {{"version", kVersion},
           {"address", address},
           {"metrics", metrics},
           {"directory", directory_.path()}});
  std::cout << "Holdfast " << kVersion << " serves on " << address << ", metrics: " << metrics
            << ", files: " << directory_.path() << std::endl;
  absl::Status status = directory_.Write("pid.txt", absl::StrCat(getpid(), "\n"));
  if (status.ok() && operations_->http_port() != 0) {
    status = directory_.Write("metrics_port.txt", absl::StrCat(operations_->http_port(), "\n"));
  }
  // Last: a client that sees the port connects.
  if (status.ok() && listener_->port() != 0) {
    status = directory_.Write("port.txt", absl::StrCat(listener_->port(), "\n"));
  }
  return status;
}

std::unique_ptr<Operations> Frontend::MakeOperations() {
  StatusCollector::Sources sources;
  sources.options = &options_;
  sources.worker_binary = worker_path_;
  sources.readiness = &readiness_;
  sources.description = &description_;
  sources.journal = &journal_;
  sources.metrics = &metrics_;
  sources.table = &table_;
  sources.cache = cache_.get();
  sources.checkpoints = checkpoints_.get();
  return absl::make_unique<Operations>(
      Operations::Service{&loop_, pool_.get(), &drain_, &liveness_, spawner_.get(), &directory_},
      std::move(sources));
}

SessionEnvironment Frontend::MakeEnvironment() {
  SessionEnvironment environment;
  environment.workers = pool_.get();
  environment.step_timeout = options_.step_timeout;
  environment.step_retries = options_.step_retries;
  environment.refuse_poisoned_steps = options_.refuse_poisoned_steps;
  environment.builtin_parameter = [this](absl::string_view key, absl::string_view value) {
    return CompilerService::BuiltinParameter(cache_.get(), *description_.Get(), key, value);
  };
  environment.describe_actions = [this](int action_space, const StepRequestView& step) {
    return DescribeActions(description_.Get()->spaces().action_space_list(action_space), step);
  };
  journal_.Watch(&environment);
  environment.checkpoints = checkpoints_.get();
  environment.prefetched = &prefetched_;
  environment.abilities = [this] {
    const WorkerDescription::Described described = description_.Get();
    if (described == nullptr) return SessionAbilities();
    const bool is_rebuildable = !described->not_replayable();
    // A session that is never built anew has no use for one.
    const bool takes_snapshots = is_rebuildable && options_.checkpoint_bytes > 0;
    return SessionAbilities{takes_snapshots && described->takes_snapshots(), is_rebuildable};
  };
  return environment;
}

UnaryServer::Hooks Frontend::MakeHooks() {
  UnaryServer::Hooks hooks;
  hooks.admit = [this](size_t bytes) {
    metrics_.AddInflightBytes(static_cast<int64_t>(bytes));
    if (metrics_.inflight_bytes() <= options_.max_inflight_bytes) return grpc::Status::OK;
    return grpc::Status(
        grpc::StatusCode::RESOURCE_EXHAUSTED,
        absl::StrCat("requests and replies under way take ", metrics_.inflight_bytes(),
                     " bytes, more than ", options_.max_inflight_bytes,
                     " (--max_inflight_bytes): send fewer at once, or raise it"));
  };
  hooks.answering = [this](size_t bytes) {
    metrics_.AddInflightBytes(static_cast<int64_t>(bytes));
  };
  hooks.answered = [this](int method, grpc::StatusCode code, absl::Duration took) {
    metrics_.RpcFinished(method, code, took);
  };
  hooks.over = [this](size_t bytes) { metrics_.AddInflightBytes(-static_cast<int64_t>(bytes)); };
  return hooks;
}

Drain::Actions Frontend::MakeDrainActions() {
  Drain::Actions actions;
  actions.tell_not_ready = [this] { readiness_.SetDraining(); };
  actions.count_sessions = [this] { return table_.size(); };
  actions.refuse_calls = [this](absl::AnyInvocable<void()> on_idle) {
    rpc_->Drain(std::move(on_idle));
  };
  actions.abort_calls = [this] { rpc_->AbortCalls(); };
  actions.end = [this] { EndSessions(); };
  actions.post = [this](absl::AnyInvocable<void()> work) { loop_.Post(std::move(work)); };
  return actions;
}

void Frontend::EndSessions() {
  LogInfo(Subsystem::kFront, "ending sessions", {{"sessions", table_.size()}});
  table_.EndAll();
  pool_->Stop();
  spawner_->Shutdown(kKillTimeout, [this] { loop_.Stop(); });
}

void Frontend::Run() {
  loop_.Run();
  operations_->CloseLoop();
  for (const char* name : {"port.txt", "pid.txt", "metrics_port.txt"}) directory_.Remove(name);
  if (!loop_.AwaitBlocking(kKillTimeout)) {
    // A read that hangs cannot be ended, only left: nothing else is, as the spawner is done.
    LogWarning(Subsystem::kFront, "ended although a file is still being read");
    FlushRepeats();
    _exit(0);
  }
  listener_.reset();
  operations_->Shutdown();
  // The workers are gone: calls to them are failing just now.
  rpc_->Shutdown();
  spawner_.reset();
  pool_.reset();
  const auto reports = crash_reporter_->GetStats().reports;
  if (reports > 0 && directory_.is_fresh() && options_.crash_report_dir.empty()) {
    LogWarning(
        Subsystem::kFront,
        "crash reports are removed with their directory: set --crash_report_dir to keep them",
        {{"reports", reports}, {"directory", directory_.path()}});
  }
  LogInfo(Subsystem::kFront, "ended");
  FlushRepeats();
}

}  // namespace

int RunFrontend(int argc, char** argv, const std::string& usage, bool is_worker) {
  const absl::StatusOr<Options> options = ParseOptions(argc, argv, usage);
  if (!options.ok()) {
    std::cerr << "ERROR: " << options.status().message() << std::endl;
    return 1;
  }
  SpareDeadlockDetection();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // Of a log that may not grow: its lines are lost, and nothing else.
  umask(0077);               // Logs, scratch data and sockets are the user's own.
  LogForLibraries();
  Frontend frontend(*options);
  const absl::Status status = frontend.Start(argv[0], is_worker);
  if (!status.ok()) {
    std::cerr << "ERROR: " << status.message() << std::endl;
    // Half a service is not taken apart: the spawner ends and removes what there is already.
    _exit(1);
  }
  frontend.Run();
  return 0;
}

}  // namespace holdfast
