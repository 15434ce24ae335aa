// A client that keeps one session going through a balancer, and keeps account of what failed.
#ifndef HOLDFAST_TESTS_DEPLOY_SESSION_CLIENT_H_
#define HOLDFAST_TESTS_DEPLOY_SESSION_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/compiler_gym_service.grpc.pb.h"

namespace holdfast {

// Thread-safe. Has a thread and a connection of its own.
class SessionClient {
 public:
  struct Failure {
    absl::Time time;
    std::string front;  // Of the session; empty: it had none yet.
    std::string what;
  };

  // To the balancer at `address`. `names_front`: it sends the header `holdfast-front`.
  SessionClient(std::string address, bool names_front);
  // Ends its session.
  ~SessionClient();

  // The front of its session; empty: it has none at the moment.
  std::string front() const;
  int64_t steps() const { return steps_; }
  std::vector<Failure> failures() const;
  // The fronts of the sessions that it started since `when`.
  std::vector<std::string> FrontsSince(absl::Time when) const;

 private:
  void Run();
  // One session, of some steps. False: a call has failed.
  bool RunSession();
  bool Call(const char* what, const std::function<grpc::Status(grpc::ClientContext*)>& call);

  const std::string address_;
  const bool names_front_;
  std::unique_ptr<compiler_gym::CompilerGymService::Stub> stub_;
  std::atomic<bool> is_ending_{false};
  std::atomic<int64_t> steps_{0};
  mutable absl::Mutex mutex_;
  std::string front_ ABSL_GUARDED_BY(mutex_);
  std::vector<Failure> failures_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<absl::Time, std::string>> starts_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // The last member: it uses the others.
};

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_DEPLOY_SESSION_CLIENT_H_
