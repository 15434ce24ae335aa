// Runs a whole service as a process of its own, for tests, and looks after what it leaves behind.
#ifndef HOLDFAST_TESTS_INTEGRATION_SERVICE_PROCESS_H_
#define HOLDFAST_TESTS_INTEGRATION_SERVICE_PROCESS_H_

#include <grpcpp/channel.h>
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "proto/compiler_gym_service.grpc.pb.h"
#include "proto/worker_failure.pb.h"

namespace holdfast {

// What the name of the directory for workers' data begins with, in a service's working directory.
inline constexpr char kScratchPrefix[] = "holdfast-scratch-";

// Looks at `condition` every millisecond until it holds or `timeout` is over. Returns whether it
// held.
bool WaitUntil(const std::function<bool()>& condition, absl::Duration timeout = absl::Seconds(20));

// The children of a process that are alive, in no order.
std::vector<pid_t> ChildrenOf(pid_t pid);
bool IsAlive(pid_t pid);  // Not a zombie either.
bool IsStopped(pid_t pid);

// One service. A test that does not end it has it killed, and fails if anything is left behind.
class ServiceProcess {
 public:
  // Runs `binary` (a path in the workspace, as "worker/example/example_worker") with
  // --working_dir=a fresh directory and `flags`, and waits until it serves.
  explicit ServiceProcess(const std::string& binary, const std::vector<std::string>& flags = {});
  ~ServiceProcess();

  pid_t pid() const { return pid_; }
  pid_t spawner() const;
  // Worker processes, idle or not.
  std::vector<pid_t> workers() const;
  const std::string& directory() const { return directory_; }
  std::string address() const;  // 127.0.0.1:PORT
  std::string ReadFile(const std::string& name) const;
  // Of /metrics: the value of the series, which is written as in the exposition; nullopt: none.
  absl::optional<double> Metric(const std::string& series) const;
  std::string MetricsText() const;

  // A client with a connection of its own.
  std::unique_ptr<compiler_gym::CompilerGymService::Stub> NewClient() const;

  void Signal(int signal) const;
  // Waits for its end; the exit code, or minus the signal. nullopt: it does not end in time.
  absl::optional<int> Wait(absl::Duration timeout = absl::Seconds(30));
  // SIGTERM and Wait().
  absl::optional<int> Terminate();

 private:
  std::string directory_;
  pid_t pid_ = 0;
  absl::optional<int> exit_;
};

// A client with a connection of its own to HOST:PORT or unix:PATH.
std::unique_ptr<compiler_gym::CompilerGymService::Stub> ConnectTo(const std::string& address);

// The path of a file of the workspace, in a test's runfiles.
std::string RunfilePath(const std::string& path);

// Runs a program to its end: exit code (minus the signal), stdout and stderr.
struct ProgramResult {
  int exit = 0;
  std::string out;
  std::string err;
};
ProgramResult RunProgram(const std::vector<std::string>& arguments,
                         const std::string& standard_input = "");

// A client that knows one session. Calls fail the test unless they return OK, but those that return
// a status.
class TestSession {
 public:
  TestSession(const ServiceProcess& service, const std::string& benchmark_uri,
              const std::string& program, int action_space = 0);
  // An existing session.
  TestSession(const ServiceProcess& service, int64_t id);

  int64_t id() const { return id_; }
  const ServiceProcess& service() const { return *service_; }
  compiler_gym::CompilerGymService::Stub& stub() { return *stub_; }

  grpc::Status Step(const std::vector<int64_t>& actions, const std::vector<int>& observations = {},
                    compiler_gym::StepReply* reply = nullptr,
                    absl::Duration deadline = absl::Seconds(60));
  // One observation, after no action.
  compiler_gym::Event Observe(int observation);
  TestSession Fork();
  grpc::Status SendParameter(const std::string& key, const std::string& value,
                             std::string* reply = nullptr);
  int End();  // Remaining sessions.

 private:
  const ServiceProcess* service_;
  std::unique_ptr<compiler_gym::CompilerGymService::Stub> stub_;
  int64_t id_ = 0;
};

// Adds a benchmark and starts a session on it; the call's status.
grpc::Status AddBenchmark(compiler_gym::CompilerGymService::Stub* stub, const std::string& uri,
                          const std::string& program);
grpc::Status StartSession(compiler_gym::CompilerGymService::Stub* stub, const std::string& uri,
                          int action_space, int64_t* id,
                          absl::Duration deadline = absl::Seconds(60));

// The record in the details of a status; nullopt: there is none.
absl::optional<WorkerFailure> FailureOf(const grpc::Status& status);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_INTEGRATION_SERVICE_PROCESS_H_
