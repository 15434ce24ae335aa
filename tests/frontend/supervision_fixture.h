// A worker pool on the three fakes, for tests of the pool and of sessions.
#ifndef HOLDFAST_TESTS_FRONTEND_SUPERVISION_FIXTURE_H_
#define HOLDFAST_TESTS_FRONTEND_SUPERVISION_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/strip.h"
#include "common/byte_buffer.h"
#include "common/worker_progress.h"
#include "frontend/fake_clock.h"
#include "frontend/fake_process_spawner.h"
#include "frontend/fake_worker_client.h"
#include "frontend/worker_pool.h"

namespace holdfast {

class SupervisionFixture : public testing::Test {
 protected:
  SupervisionFixture() {
    scratch_ = testing::TempDir() + "/supervision-XXXXXX";
    EXPECT_NE(mkdtemp(scratch_.data()), nullptr);
  }
  ~SupervisionFixture() override {
    pool_.reset();
    std::filesystem::remove_all(scratch_);
  }

  void MakePool(const WorkerPool::Options& options) {
    WorkerSlot::Dependencies dependencies;
    dependencies.clock = &clock_;
    dependencies.spawner = &spawner_;
    dependencies.make_client = [this](UniqueFd) {
      auto client = std::make_shared<FakeWorkerClient>();
      clients_.push_back(client);
      return client;
    };
    dependencies.post = [this](absl::AnyInvocable<void()> work) {
      posted_.push_back(std::move(work));
    };
    dependencies.run_blocking = [](absl::AnyInvocable<void()> work) { work(); };
    WorkerCommand command;
    command.arguments = {"worker"};
    command.scratch_root = scratch_;
    command.limits.process.memory_bytes = memory_limit_;
    WorkerPool::Observer observer;
    observer.on_transition = [](auto, auto) {};
    observer.on_ready = [](uint64_t, pid_t, const DescribeReply&, absl::Duration) {};
    observer.on_dead = [this](uint64_t, pid_t, WorkerState last, const WorkerFailure& failure) {
      deaths_.emplace_back(last, failure.cause());
    };
    observer.on_output = [](uint64_t, bool, absl::string_view) {};
    observer.on_readiness = [this](bool ready, const std::string& why) {
      readiness_.emplace_back(ready, why);
    };
    observer.on_asked_back = [this](AskReason reason) { asked_back_.push_back(reason); };
    observer.on_reused = [this] { ++reused_; };
    observer.on_demand = [this](int waiting, int warm_target) {
      waiting_ = waiting;
      warm_target_ = warm_target;
    };
    pool_ = std::make_unique<WorkerPool>(options, command, dependencies, std::move(observer));
    pool_->Start();
  }

  // Runs what was posted and what is due now, until nothing is left.
  void Settle() {
    do {
      while (!posted_.empty()) {
        auto work = std::move(posted_.front());
        posted_.pop_front();
        work();
      }
      clock_.Advance(absl::ZeroDuration());
    } while (!posted_.empty());
  }
  void Advance(absl::Duration duration) {
    clock_.Advance(duration);
    Settle();
  }

  // Workers count from 1, as the spawner's processes do.
  FakeWorkerClient& client(uint64_t worker) { return *clients_.at(worker - 1); }
  void BecomeReady(uint64_t worker) {
    spawner_.Started(worker);
    client(worker).Answer({grpc::Status::OK, Serialize(DescribeReply()), WorkerAnswer()});
    Settle();
  }
  // What it does now, as it would say in its file.
  void SetActivity(uint64_t worker, WorkerFailure::Activity activity) {
    for (absl::string_view argument : spawner_.process(worker).request.arguments) {
      if (!absl::ConsumePrefix(&argument, "--worker_progress_file=")) continue;
      ProgressWriter::Create(std::string(argument))->Set(activity);
    }
  }
  void Exit(uint64_t worker, int signal) {
    spawner_.ExitBySignal(worker, signal);
    Settle();
  }

  struct Outcome {
    absl::StatusOr<Lease> lease = absl::UnknownError("waiting");
    std::vector<WorkerFailure> exits;
    bool is_waiting() const { return lease.status().code() == absl::StatusCode::kUnknown; }
  };
  std::shared_ptr<Outcome> Acquire(absl::Duration timeout = absl::Hours(1)) {
    WorkerRequest request;
    request.timeout = timeout;
    return Acquire(std::move(request));
  }
  std::shared_ptr<Outcome> Acquire(WorkerRequest request) {
    auto outcome = std::make_shared<Outcome>();
    pool_->Acquire(
        std::move(request),
        [outcome](absl::StatusOr<Lease> lease) { outcome->lease = std::move(lease); },
        [outcome](const WorkerFailure& failure) { outcome->exits.push_back(failure); });
    Settle();
    return outcome;
  }

  FakeClock clock_;
  FakeProcessSpawner spawner_;
  std::deque<absl::AnyInvocable<void()>> posted_;
  std::vector<std::shared_ptr<FakeWorkerClient>> clients_;
  std::vector<std::pair<WorkerState, WorkerFailure::Cause>> deaths_;
  std::vector<std::pair<bool, std::string>> readiness_;
  std::vector<AskReason> asked_back_;
  int reused_ = 0;
  int waiting_ = 0;
  int warm_target_ = 0;
  int64_t memory_limit_ = 1000;  // Of a worker; before MakePool().
  std::string scratch_;
  std::unique_ptr<WorkerPool> pool_;
};

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_FRONTEND_SUPERVISION_FIXTURE_H_
