// Many clients at once: what happens to one session is nobody else's business.
#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using compiler_gym::CompilerGymService;
using grpc::StatusCode;
using testing::HasSubstr;

constexpr char kExampleWorker[] = "worker/example/example_worker";
constexpr char kMisbehavingWorker[] = "tests/testcases/misbehaving_worker";
constexpr char kUri[] = "benchmark://test/program";
constexpr int kClients = 8;
constexpr absl::Duration kLong = absl::Minutes(5);

class Threads {
 public:
  ~Threads() { Join(); }
  template <typename Run>
  void Start(Run run) {
    threads_.emplace_back(std::move(run));
  }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

// ---- Random sessions among random deaths ----

enum Pass { kFold, kFoldMoves, kClean, kExpand };
enum ObservationIndex { kText, kSize, kFeatures };

// What client number `client` does. The limit on rewrites makes the text depend on every step.
struct Script {
  explicit Script(int client) {
    std::mt19937 random(static_cast<unsigned>(1000 + client));
    for (int i = 0; i < 10000; ++i) program += "+-<>.T"[random() % 6];
    max_rewrites = absl::StrCat(2 + client % 3);
    for (int i = 0; i < kSteps; ++i) {
      std::vector<int64_t>& actions = steps.emplace_back();
      const size_t count = random() % 3;
      for (size_t j = 0; j < count; ++j) actions.push_back(random() % kExpand);
    }
    steps[kSteps / 2].push_back(kExpand);  // Changes the action space, so only once and last.
  }

  static constexpr int kSteps = 60;
  std::string program;
  std::string max_rewrites;
  std::vector<std::vector<int64_t>> steps;
};

// How far each client is, and how far it may go.
struct Progress {
  std::atomic<int> steps[kClients] = {};
  std::atomic<int> allowed{0};

  // Whether each has come further than `before`, or is done.
  bool IsFurther(const std::vector<int>& before) const {
    for (int client = 0; client < kClients; ++client) {
      if (steps[client] <= before[client] && steps[client] < Script::kSteps) return false;
    }
    return true;
  }
  std::vector<int> Now() const { return {std::begin(steps), std::end(steps)}; }
  bool IsDone() const { return IsFurther(std::vector<int>(kClients, Script::kSteps)); }
};

// Plays the script of a client. Returns the final observations.
std::string Play(const ServiceProcess& service, int client, Progress* progress) {
  const Script script(client);
  TestSession session(service, absl::StrCat(kUri, client), script.program);
  const grpc::Status limited = session.SendParameter("example.max_rewrites", script.max_rewrites);
  EXPECT_TRUE(limited.ok()) << limited.error_message();
  for (const std::vector<int64_t>& actions : script.steps) {
    EXPECT_TRUE(WaitUntil([&] { return progress->steps[client] < progress->allowed; }, kLong));
    const grpc::Status status =
        session.Step(actions, {kText, kFeatures, kText, kSize}, nullptr, kLong);
    EXPECT_TRUE(status.ok()) << "client " << client << ": " << status.error_message();
    ++progress->steps[client];
  }
  compiler_gym::StepReply reply;
  const grpc::Status status = session.Step({}, {kText, kSize, kFeatures}, &reply, kLong);
  EXPECT_TRUE(status.ok()) << status.error_message();
  session.End();
  return reply.ShortDebugString();
}

// Plays all clients' scripts at once. `disturb` runs meanwhile.
std::vector<std::string> PlayAll(const ServiceProcess& service, Progress* progress,
                                 const std::function<void()>& disturb) {
  std::vector<std::string> ends(kClients);
  Threads clients;
  for (int client = 0; client < kClients; ++client) {
    clients.Start([&, client] { ends[client] = Play(service, client, progress); });
  }
  disturb();
  clients.Join();
  return ends;
}

TEST(ConcurrencyTest, EightSessionsEndAsUndisturbedWhileWorkersAreKilledAtRandom) {
  std::vector<std::string> undisturbed;
  {
    ServiceProcess service(kExampleWorker);
    Progress progress;
    undisturbed = PlayAll(service, &progress, [&] { progress.allowed = Script::kSteps; });
  }
  ServiceProcess service(kExampleWorker);
  Progress progress;
  std::mt19937 random(7);
  int kills = 0;
  const auto kill_workers = [&] {
    while (!progress.IsDone()) {
      // A step or a replay that loses its worker twice would rightly fail: every client comes
      // through a step before the next kill, and most are within one when it comes.
      const std::vector<int> before = progress.Now();
      progress.allowed = *std::min_element(before.begin(), before.end()) + 3;
      EXPECT_TRUE(WaitUntil([&] { return progress.IsFurther(before); }, kLong));
      // Idle ones, too: all children of the spawner are workers.
      const std::vector<pid_t> workers = service.workers();
      if (!workers.empty() && kill(workers[random() % workers.size()], SIGKILL) == 0) ++kills;
    }
  };
  EXPECT_EQ(PlayAll(service, &progress, kill_workers), undisturbed);
  std::cout << kills << " workers were killed during " << kClients * Script::kSteps << " steps\n";
  EXPECT_GE(kills, 10);
  EXPECT_EQ(service.Terminate(), 0);
}

// ---- Sessions do not wait for each other ----

class MisbehavingTest : public testing::Test {
 protected:
  MisbehavingTest() : service_(kMisbehavingWorker) {
    compiler_gym::GetSpacesReply spaces;
    grpc::ClientContext context;
    EXPECT_TRUE(service_.NewClient()->GetSpaces(&context, {}, &spaces).ok());
    names_ = spaces.action_space_list(0).space().named_discrete();
  }

  int64_t Action(const std::string& name) const {
    const auto found = std::find(names_.name().begin(), names_.name().end(), name);
    EXPECT_NE(found, names_.name().end()) << name;
    return found - names_.name().begin();
  }
  std::vector<int64_t> Actions(const std::vector<std::string>& names) const {
    std::vector<int64_t> actions;
    for (const std::string& name : names) actions.push_back(Action(name));
    return actions;
  }
  static pid_t WorkerOf(TestSession* session) {
    std::string reply;
    const grpc::Status status = session->SendParameter("get_pid", "", &reply);
    int pid = 0;
    EXPECT_TRUE(status.ok() && absl::SimpleAtoi(reply, &pid)) << status.error_message();
    return pid;
  }
  // A session takes a hundred quick steps, begins another, forks it, and ends both.
  void LiveQuickly() {
    TestSession session(service_, kUri, "ok");
    for (int i = 0; i < 100; ++i) {
      const grpc::Status status = session.Step({Action("add_one")});
      ASSERT_TRUE(status.ok()) << status.error_message();
    }
    TestSession fork = session.Fork();
    EXPECT_EQ(fork.Observe(0).int64_value(), 100);
    fork.End();
    session.End();
  }

  ServiceProcess service_;
  compiler_gym::NamedDiscreteSpace names_;
};

TEST_F(MisbehavingTest, StepThatHangsHoldsUpNoOtherSession) {
  TestSession slow(service_, kUri, "ok");
  const pid_t worker = WorkerOf(&slow);
  grpc::Status status;
  std::atomic<bool> is_over{false};
  Threads threads;
  threads.Start([&] {
    // The grandchild shows that the step has begun.
    status = slow.Step(Actions({"fork_grandchild", "hang"}), {}, nullptr, kLong);
    is_over = true;
  });
  EXPECT_TRUE(WaitUntil([&] { return !ChildrenOf(worker).empty(); }));
  LiveQuickly();
  EXPECT_FALSE(is_over);
  // The end of a session does not wait for its step either.
  EXPECT_EQ(TestSession(service_, slow.id()).End(), 0);
  threads.Join();
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED) << status.error_message();
}

TEST_F(MisbehavingTest, StepsThatAreSlowHoldUpNoOtherSession) {
  TestSession slow(service_, kUri, "ok");
  std::atomic<bool> is_over{false};
  Threads threads;
  threads.Start([&] {
    const std::vector<int64_t> actions(600, Action("slow_100ms"));  // A minute, unless ended.
    slow.Step(actions, {}, nullptr, kLong);
    is_over = true;
  });
  LiveQuickly();
  EXPECT_FALSE(is_over);
  TestSession(service_, slow.id()).End();
}

TEST_F(MisbehavingTest, ParameterThatHangsHoldsUpNoOtherSession) {
  TestSession slow(service_, kUri, "ok");
  std::atomic<bool> is_over{false};
  Threads threads;
  threads.Start([&] {
    const grpc::Status status = slow.SendParameter("hang", "");
    EXPECT_EQ(status.error_code(), StatusCode::ABORTED) << status.error_message();
    is_over = true;
  });
  LiveQuickly();
  EXPECT_FALSE(is_over);
  TestSession(service_, slow.id()).End();
}

TEST_F(MisbehavingTest, InitsThatHangHoldUpNoOtherSession) {
  ASSERT_TRUE(AddBenchmark(service_.NewClient().get(), "benchmark://hangs", "hang-in-init").ok());
  constexpr int kHanging = 3;  // More than there are warm workers.
  grpc::ClientContext contexts[kHanging];
  std::atomic<int> over{0};
  Threads threads;
  for (grpc::ClientContext& context : contexts) {
    threads.Start([&] {
      compiler_gym::StartSessionRequest request;
      request.mutable_benchmark()->set_uri("benchmark://hangs");
      compiler_gym::StartSessionReply reply;
      const grpc::Status status = service_.NewClient()->StartSession(&context, request, &reply);
      EXPECT_EQ(status.error_code(), StatusCode::CANCELLED) << status.error_message();
      ++over;
    });
  }
  // Those, and the warm ones anew.
  EXPECT_TRUE(WaitUntil([&] { return service_.workers().size() >= kHanging + 2; }));
  LiveQuickly();
  EXPECT_EQ(over, 0);
  for (grpc::ClientContext& context : contexts) context.TryCancel();
  threads.Join();
  // What hung is gone: only the warm workers remain.
  EXPECT_TRUE(WaitUntil([&] { return service_.workers().size() == 2; }));
}

TEST_F(MisbehavingTest, InitThatIsSlowDelaysNoStepsOfOthers) {
  ASSERT_TRUE(AddBenchmark(service_.NewClient().get(), "benchmark://slow", "slow-init").ok());
  Threads threads;
  for (int i = 0; i < kClients / 2; ++i) {
    threads.Start([&] {
      int64_t id = 0;
      const grpc::Status status =
          StartSession(service_.NewClient().get(), "benchmark://slow", 0, &id);
      EXPECT_TRUE(status.ok()) << status.error_message();
    });
    threads.Start([&] { LiveQuickly(); });
  }
}

// ---- One session, many callers ----

// The numbers that were added, in the order in which they were.
std::vector<std::string> Added(TestSession* session) {
  return absl::StrSplit(session->Observe(1).string_value(), ',', absl::SkipEmpty());
}

TEST_F(MisbehavingTest, EveryStepOfManyCallersIsAppliedOnceAndEachCallersInOrder) {
  constexpr int kSteps = 12;  // Of each; the number added names caller and step.
  TestSession session(service_, kUri, "ok", /*action_space=*/1);
  Threads threads;
  for (int caller = 0; caller < kClients; ++caller) {
    threads.Start([&, caller] {
      TestSession own(service_, session.id());
      for (int step = 0; step < kSteps; ++step) {
        const grpc::Status status = own.Step({caller * kSteps + step});
        EXPECT_TRUE(status.ok()) << status.error_message();
      }
    });
  }
  threads.Join();
  const std::vector<std::string> added = Added(&session);
  EXPECT_EQ(added.size(), static_cast<size_t>(kClients * kSteps));
  for (int caller = 0; caller < kClients; ++caller) {
    std::vector<std::string> expected;
    for (int step = 0; step < kSteps; ++step) {
      expected.push_back(absl::StrCat(caller * kSteps + step));
    }
    std::vector<std::string> its;
    std::copy_if(added.begin(), added.end(), std::back_inserter(its), [&](const auto& number) {
      return std::find(expected.begin(), expected.end(), number) != expected.end();
    });
    EXPECT_EQ(its, expected) << "caller " << caller;
  }
}

TEST_F(MisbehavingTest, CallsThatWaitForTheirTurnHaveItInTheOrderOfArrival) {
  constexpr int kCalls = 60;
  struct PendingStep {
    grpc::ClientContext context;
    compiler_gym::StepReply reply;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<compiler_gym::StepReply>> reader;
  };
  TestSession session(service_, kUri, "ok", /*action_space=*/1);
  std::vector<PendingStep> calls(kCalls);
  std::vector<std::string> sent;
  grpc::CompletionQueue queue;
  // On one connection, without waiting for answers. The first one observes slowly, so that the
  // others meet a session that is busy.
  for (int i = 0; i < kCalls; ++i) {
    compiler_gym::StepRequest request;
    request.set_session_id(session.id());
    request.add_action()->set_int64_value(i);
    request.add_observation_space(i == 0 ? 4 : 0);
    sent.push_back(absl::StrCat(i));
    calls[i].reader = session.stub().AsyncStep(&calls[i].context, request, &queue);
    calls[i].reader->Finish(&calls[i].reply, &calls[i].status, &calls[i]);
  }
  int64_t sum = 0;
  for (int i = 0; i < kCalls; ++i) {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
  }
  queue.Shutdown();
  for (int i = 0; i < kCalls; ++i) {
    sum += i;
    ASSERT_TRUE(calls[i].status.ok()) << calls[i].status.error_message();
    EXPECT_EQ(calls[i].reply.observation(0).int64_value(), sum) << "call " << i;
  }
  EXPECT_EQ(Added(&session), sent);
}

// ---- Clients that leave ----

TEST_F(MisbehavingTest, SessionOfAClientThatDisconnectsStaysAndTheServiceGoesOn) {
  int64_t id = 0;
  {
    TestSession left(service_, kUri, "ok");
    EXPECT_TRUE(left.Step({Action("add_one")}).ok());
    id = left.id();
  }
  LiveQuickly();
  TestSession back(service_, id);
  EXPECT_TRUE(back.Step({Action("add_one")}).ok());
  EXPECT_EQ(back.Observe(0).int64_value(), 2);
  EXPECT_EQ(service_.Terminate(), 0);
}

TEST_F(MisbehavingTest, StepOfAClientThatGivesUpIsRolledBack) {
  TestSession session(service_, kUri, "ok");
  EXPECT_TRUE(session.Step({Action("add_one")}).ok());
  const pid_t worker = WorkerOf(&session);
  {
    grpc::ClientContext context;
    Threads threads;
    threads.Start([&] {
      compiler_gym::StepRequest request;
      request.set_session_id(session.id());
      for (const char* name : {"add_one", "fork_grandchild", "hang"}) {
        request.add_action()->set_int64_value(Action(name));
      }
      compiler_gym::StepReply reply;
      const grpc::Status status = service_.NewClient()->Step(&context, request, &reply);
      EXPECT_EQ(status.error_code(), StatusCode::CANCELLED) << status.error_message();
    });
    EXPECT_TRUE(WaitUntil([&] { return !ChildrenOf(worker).empty(); }));
    context.TryCancel();
  }
  EXPECT_EQ(session.Observe(0).int64_value(), 1);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(worker); }));
}

TEST_F(MisbehavingTest, EndSessionRemovesASessionWhoseTurnOthersAwait) {
  TestSession session(service_, kUri, "ok");
  const pid_t worker = WorkerOf(&session);
  std::atomic<int> over{0};
  Threads threads;
  const auto step = [&](const std::vector<int64_t>& actions) {
    const grpc::Status status =
        TestSession(service_, session.id()).Step(actions, {}, nullptr, kLong);
    EXPECT_TRUE(status.error_code() == StatusCode::ABORTED ||
                status.error_code() == StatusCode::NOT_FOUND)
        << status.error_message();
    ++over;
  };
  threads.Start([&] { step(Actions({"fork_grandchild", "hang"})); });
  EXPECT_TRUE(WaitUntil([&] { return !ChildrenOf(worker).empty(); }));
  for (int i = 0; i < kClients; ++i) threads.Start([&] { step({Action("add_one")}); });
  LiveQuickly();
  EXPECT_EQ(over, 0);
  EXPECT_EQ(TestSession(service_, session.id()).End(), 0);
  threads.Join();
  EXPECT_EQ(over, 1 + kClients);
}

}  // namespace
}  // namespace holdfast
