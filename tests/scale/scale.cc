// Opens many more sessions than there may be workers, steps them at random, and proves that each
// ends in the state that its own actions lead to. Tells what a session costs the front.
//
//   bazel run //tests/scale -- --sessions=10000 --workers=16 --clients=8 --duration=60s
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/integration/service_process.h"

ABSL_FLAG(int, sessions, 10000, "Sessions that are open at once. At least 1.");
ABSL_FLAG(int, workers, 16, "Worker processes at most. At least 1.");
ABSL_FLAG(int, clients, 8, "Clients, each with a connection of its own. At least 1.");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(60), "How long to step. More than 0.");
ABSL_FLAG(std::string, session, "example", "Session type: example or llvm.");
ABSL_FLAG(uint64_t, seed, 1, "Seed of all choices.");
ABSL_FLAG(std::vector<std::string>, service_flags, {}, "Further flags for the service.");

namespace holdfast {
namespace {

using compiler_gym::CompilerGymService;

struct SessionType {
  const char* worker;
  const char* action_space;
  const char* observation;           // Tells one state from another.
  std::vector<std::string> actions;  // To choose from.
  std::string program;
};

SessionType ExampleType() {
  std::string program;
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) program += "+-<>.T"[random() % 6];
  return {
      "worker/example/example_worker", "pass", "text", {"fold", "fold-moves", "clean"}, program};
}

SessionType LlvmType() {
  return {"worker/llvm/llvm_worker",
          "passes",
          "Ir",
          {"sroa", "instcombine<no-verify-fixpoint>", "simplifycfg", "gvn", "early-cse<memssa>"},
          R"(define i32 @sum(ptr %p, i32 %n) {
entry:
  %i = alloca i32
  %s = alloca i32
  store i32 0, ptr %i
  store i32 0, ptr %s
  br label %head
head:
  %a = load i32, ptr %i
  %c = icmp slt i32 %a, %n
  br i1 %c, label %body, label %done
body:
  %q = getelementptr i32, ptr %p, i32 %a
  %v = load i32, ptr %q
  %t = load i32, ptr %s
  %u = add i32 %t, %v
  store i32 %u, ptr %s
  %b = add i32 %a, 1
  store i32 %b, ptr %i
  br label %head
done:
  %r = load i32, ptr %s
  ret i32 %r
}
)"};
}

constexpr char kUri[] = "benchmark://holdfast-v0/scale";

// What a service offers, by index.
struct Offer {
  int action_space = -1;
  int observation = -1;
  std::vector<int64_t> actions;
};

Offer AskFor(const SessionType& type, const ServiceProcess& service) {
  compiler_gym::GetSpacesReply spaces;
  grpc::ClientContext context;
  service.NewClient()->GetSpaces(&context, {}, &spaces);
  Offer offer;
  for (int i = 0; i < spaces.observation_space_list_size(); ++i) {
    if (spaces.observation_space_list(i).name() == type.observation) offer.observation = i;
  }
  for (int i = 0; i < spaces.action_space_list_size(); ++i) {
    if (spaces.action_space_list(i).name() != type.action_space) continue;
    offer.action_space = i;
    const auto& names = spaces.action_space_list(i).space().named_discrete().name();
    for (int action = 0; action < names.size(); ++action) {
      if (std::find(type.actions.begin(), type.actions.end(), names[action]) !=
          type.actions.end()) {
        offer.actions.push_back(action);
      }
    }
  }
  return offer;
}

struct OpenSession {
  int64_t id;
  std::vector<int64_t> path;
};

// One client, on one thread.
class Client {
 public:
  Client(const ServiceProcess& service, const Offer& offer, uint64_t seed)
      : offer_(offer), stub_(service.NewClient()), random_(seed) {}

  void Open(int count) {
    for (int i = 0; i < count; ++i) {
      OpenSession session{};
      const grpc::Status status = StartSession(stub_.get(), kUri, offer_.action_space, &session.id);
      if (status.ok()) {
        sessions_.push_back(std::move(session));
      } else {
        Fail("StartSession", status);
      }
    }
  }

  void StepUntil(absl::Time end) {
    while (absl::Now() < end && !sessions_.empty()) {
      OpenSession& session = sessions_[random_() % sessions_.size()];
      const int64_t action = offer_.actions[random_() % offer_.actions.size()];
      const absl::Time start = absl::Now();
      const grpc::Status status = Step(session, {action});
      latencies_.push_back(absl::Now() - start);
      if (status.ok()) {
        session.path.push_back(action);
      } else {
        Fail("Step", status);
      }
    }
  }

  // Compares all.
  void Finish(const std::map<std::vector<int64_t>, std::string>& expected) {
    for (const OpenSession& session : sessions_) {
      compiler_gym::StepReply reply;
      const grpc::Status status = Step(session, {}, {offer_.observation}, &reply);
      if (!status.ok()) {
        Fail("Step", status);
      } else if (reply.observation(0).string_value() != expected.at(session.path)) {
        ++wrong_states_;
      }
    }
  }

  const std::vector<OpenSession>& sessions() const { return sessions_; }
  const std::vector<absl::Duration>& latencies() const { return latencies_; }
  int wrong_states() const { return wrong_states_; }
  int failures() const { return failures_; }

 private:
  grpc::Status Step(const OpenSession& session, const std::vector<int64_t>& actions,
                    const std::vector<int>& observations = {},
                    compiler_gym::StepReply* reply = nullptr) {
    compiler_gym::StepRequest request;
    request.set_session_id(session.id);
    for (const int64_t action : actions) request.add_action()->set_int64_value(action);
    for (const int observation : observations) request.add_observation_space(observation);
    compiler_gym::StepReply ignored;
    grpc::ClientContext context;
    return stub_->Step(&context, request, reply == nullptr ? &ignored : reply);
  }

  void Fail(const char* call, const grpc::Status& status) {
    if (failures_++ < 3) {
      std::printf("%s fails: %d %s\n", call, status.error_code(), status.error_message().c_str());
    }
  }

  const Offer& offer_;
  const std::unique_ptr<CompilerGymService::Stub> stub_;
  std::mt19937_64 random_;
  std::vector<OpenSession> sessions_;
  std::vector<absl::Duration> latencies_;
  int wrong_states_ = 0;
  int failures_ = 0;
};

template <typename Work>
void InParallel(std::vector<std::unique_ptr<Client>>& clients, const Work& work) {
  std::vector<std::thread> threads;
  for (auto& client : clients) threads.emplace_back([&] { work(client.get()); });
  for (std::thread& thread : threads) thread.join();
}

// The state after each path, from a service with room for all of its sessions.
std::map<std::vector<int64_t>, std::string> DirectStates(
    const SessionType& type, const Offer& offer,
    const std::vector<std::unique_ptr<Client>>& clients) {
  std::map<std::vector<int64_t>, std::string> states;
  for (const auto& client : clients) {
    for (const OpenSession& session : client->sessions()) states[session.path];
  }
  const ServiceProcess service(type.worker);
  for (auto& [path, state] : states) {
    TestSession session(service, kUri, type.program, offer.action_space);
    session.Step(path);
    state = session.Observe(offer.observation).string_value();
    session.End();
  }
  return states;
}

double Resident(const ServiceProcess& service) {
  return service.Metric("process_resident_memory_bytes").value_or(0);
}

absl::Duration Percentile(const std::vector<absl::Duration>& sorted, double share) {
  if (sorted.empty()) return absl::ZeroDuration();
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

int Main() {
  const int count = absl::GetFlag(FLAGS_sessions);
  const int workers = absl::GetFlag(FLAGS_workers);
  const int client_count = absl::GetFlag(FLAGS_clients);
  const SessionType type = absl::GetFlag(FLAGS_session) == "llvm" ? LlvmType() : ExampleType();
  std::vector<std::string> flags = {absl::StrCat("--max_workers=", workers),
                                    absl::StrCat("--max_sessions=", count), "--park_after=1s"};
  for (const std::string& flag : absl::GetFlag(FLAGS_service_flags)) flags.push_back(flag);
  const ServiceProcess service(type.worker, flags);
  const Offer offer = AskFor(type, service);
  AddBenchmark(service.NewClient().get(), kUri, type.program);
  std::vector<std::unique_ptr<Client>> clients;
  if (offer.actions.empty() || offer.observation < 0) {
    std::printf("the service does not offer what is needed\n");
    return 1;
  }
  for (int i = 0; i < client_count; ++i) {
    clients.push_back(
        std::make_unique<Client>(service, offer, absl::GetFlag(FLAGS_seed) * 1000 + i));
  }
  // Threads, buffers and connections are there before the sessions are.
  InParallel(clients, [](Client* client) { client->Open(1); });
  const double before = Resident(service);

  absl::Time start = absl::Now();
  const int opened = std::max(count, client_count);
  InParallel(clients, [&](Client* client) {
    const bool is_first = client == clients.front().get();
    client->Open(opened / client_count - 1 + (is_first ? opened % client_count : 0));
  });
  std::printf("opened %d sessions on at most %d workers, %.0f a second\n", opened, workers,
              opened / absl::ToDoubleSeconds(absl::Now() - start));
  const auto parked = [&] {
    return service.Metric("holdfast_sessions{state=\"parked\"}").value_or(0);
  };
  WaitUntil([&] { return parked() == opened; }, absl::Seconds(30));
  const double history = service.Metric("holdfast_history_bytes").value_or(0);
  const double checkpoints = service.Metric("holdfast_checkpoint_bytes").value_or(0);
  const double grown = Resident(service) - before;
  std::printf(
      "parked %.0f; the front has grown by %.0f bytes a session, of them %.0f history and "
      "%.0f checkpoint\n",
      parked(), grown / opened, history / opened, checkpoints / opened);

  start = absl::Now();
  InParallel(clients,
             [&](Client* client) { client->StepUntil(start + absl::GetFlag(FLAGS_duration)); });
  std::vector<absl::Duration> latencies;
  for (const auto& client : clients) {
    latencies.insert(latencies.end(), client->latencies().begin(), client->latencies().end());
  }
  std::sort(latencies.begin(), latencies.end());
  const auto most = service.Metric("holdfast_worker_starts_total").value_or(0);
  std::printf("%zu steps of random sessions, p50 %s, p99 %s; %.0f workers were started\n",
              latencies.size(), absl::FormatDuration(Percentile(latencies, 0.5)).c_str(),
              absl::FormatDuration(Percentile(latencies, 0.99)).c_str(), most);

  const auto expected = DirectStates(type, offer, clients);
  InParallel(clients, [&](Client* client) { client->Finish(expected); });
  int wrong = 0;
  int failures = 0;
  for (const auto& client : clients) {
    wrong += client->wrong_states();
    failures += client->failures();
  }
  const double broken = service.Metric("holdfast_broken_invariants_total").value_or(-1);
  std::printf(
      "%d sessions compared with %zu direct runs: %d wrong states, %d failed calls, %.0f "
      "broken invariants\n",
      opened, expected.size(), wrong, failures, broken);
  return wrong == 0 && failures == 0 && broken == 0 && !latencies.empty() ? 0 : 1;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Many sessions on few workers.");
  absl::ParseCommandLine(argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return holdfast::Main();
}
