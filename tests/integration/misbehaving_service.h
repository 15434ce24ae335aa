// The service of tests/testcases/misbehaving_worker, whose actions and observations have names.
#ifndef HOLDFAST_TESTS_INTEGRATION_MISBEHAVING_SERVICE_H_
#define HOLDFAST_TESTS_INTEGRATION_MISBEHAVING_SERVICE_H_

#include <sys/types.h>

#include <future>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/integration/service_process.h"

namespace holdfast {

using Names = std::vector<std::string>;

// A file that processes of one test share; see tests/testcases/README.md.
class Marker {
 public:
  explicit Marker(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // How often the action `wait` was begun.
  int waiting() const;
  // Waits for that. False: it does not begin in time.
  bool AwaitWaiting(int count = 1) const;
  // Lets it end.
  void Go() const;

 private:
  std::string path_;
};

class MisbehavingService : public ServiceProcess {
 public:
  explicit MisbehavingService(const std::vector<std::string>& flags = {});

  // `program`: "ok", or what shall go wrong in Init; with the session's marker if `marker` is set.
  TestSession NewSession(const std::string& program = "ok");
  TestSession NewSession(const Marker& marker) { return NewSession("ok:" + marker.path()); }
  // The status of such a start; the id, if it is asked for.
  grpc::Status TryStart(const std::string& program, int64_t* id = nullptr,
                        absl::Duration deadline = absl::Seconds(60));
  Marker NewMarker();
  // Sessions that the service holds.
  int CountSessions();

 private:
  int markers_ = 0;
};

// The index of an action of space 0, and of an observation space.
int64_t ActionIndex(TestSession* session, const std::string& name);
int ObservationIndex(TestSession* session, const std::string& name);

grpc::Status StepBy(TestSession* session, const Names& actions, const Names& observations = {},
                    compiler_gym::StepReply* reply = nullptr,
                    absl::Duration deadline = absl::Seconds(60));
// In a thread of its own. The session must not move or end before.
std::future<grpc::Status> StepLater(TestSession* session, const Names& actions,
                                    absl::Duration deadline = absl::Seconds(60));

// The worker that the session is on; it is put on one if need be.
pid_t WorkerOf(TestSession* session);
// `kill -9` of that, and waits for its end.
void KillWorkerOf(TestSession* session);

// "add_one,noop,add_one = 2": the names of the actions that were applied, and the counter.
std::string StateOf(TestSession* session);
// That the session's state is `state`, and also what its history makes of it on another worker.
void ExpectState(TestSession* session, const std::string& state);

// How large a status is in a reply's trailers: the percent-encoded message, and base64 of the
// details.
size_t EncodedSize(const grpc::Status& status);

// A file's text, and its replacement.
std::string ReadText(const std::string& path);
void WriteText(const std::string& path, const std::string& text);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_INTEGRATION_MISBEHAVING_SERVICE_H_
