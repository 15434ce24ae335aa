// What the front costs: Step through Holdfast beside a direct call of the same worker, in one run.
//
// Closed-loop clients, each with a connection and a session of its own, take turns between the two
// ways, round by round: the machine's moods hit both. Only the ratio means anything.
//
//   bazel-bin/tests/bench/step_benchmark [--clients=8] [--rounds=10] [--steps=2000]
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "proto/compiler_gym_service.grpc.pb.h"

ABSL_FLAG(std::vector<std::string>, clients, (std::vector<std::string>{"1", "8", "32"}),
          "Numbers of concurrent clients to measure with.");
ABSL_FLAG(int, rounds, 10, "Rounds, each of both ways.");
ABSL_FLAG(int, steps, 2000, "Steps of a round, over all clients.");
ABSL_FLAG(std::string, worker, "bazel-bin/worker/example/example_worker", "The worker to step.");
ABSL_FLAG(bool, json, false, "Print one JSON object a line instead of a table.");

namespace holdfast {
namespace {

using compiler_gym::CompilerGymService;

// A child process that is killed with this object.
class Child {
 public:
  explicit Child(const std::vector<std::string>& arguments, int output = -1) {
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (output >= 0) dup2(output, 1);
    std::vector<char*> argv;
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  ~Child() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

 private:
  pid_t pid_;
};

std::string FirstWordOf(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

// One client: a connection and a session.
class Client {
 public:
  explicit Client(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = CompilerGymService::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    compiler_gym::StartSessionRequest request;
    request.mutable_benchmark()->set_uri("benchmark://bench-v0/a");
    request.mutable_benchmark()->mutable_program()->set_contents("++>+");
    compiler_gym::StartSessionReply reply;
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    Require(stub_->StartSession(&context, request, &reply));
    step_.set_session_id(reply.session_id());
  }
  ~Client() {
    compiler_gym::EndSessionRequest request;
    request.set_session_id(step_.session_id());
    compiler_gym::EndSessionReply reply;
    grpc::ClientContext context;
    stub_->EndSession(&context, request, &reply);
  }

  void Step(int count, std::vector<double>* microseconds) {
    for (int i = 0; i < count; ++i) {
      grpc::ClientContext context;
      compiler_gym::StepReply reply;
      const absl::Time start = absl::Now();
      Require(stub_->Step(&context, step_, &reply));
      microseconds->push_back(absl::ToDoubleMicroseconds(absl::Now() - start));
    }
  }

 private:
  static void Require(const grpc::Status& status) {
    if (status.ok()) return;
    std::cerr << "ERROR: " << status.error_message() << std::endl;
    exit(1);
  }

  std::unique_ptr<CompilerGymService::Stub> stub_;
  compiler_gym::StepRequest step_;
};

struct Way {
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<double> latencies;
  absl::Duration busy;
};

void RunRound(Way* way, int steps) {
  const int clients = static_cast<int>(way->clients.size());
  std::vector<std::vector<double>> latencies(clients);
  std::vector<std::thread> threads;
  const absl::Time start = absl::Now();
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] { way->clients[i]->Step(steps / clients, &latencies[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  way->busy += absl::Now() - start;
  for (const auto& some : latencies) {
    way->latencies.insert(way->latencies.end(), some.begin(), some.end());
  }
}

double Quantile(std::vector<double>* values, double q) {
  std::sort(values->begin(), values->end());
  return (*values)[static_cast<size_t>(q * static_cast<double>(values->size() - 1))];
}

void Report(int clients, Way* direct, Way* holdfast) {
  const double rate[] = {
      static_cast<double>(direct->latencies.size()) / absl::ToDoubleSeconds(direct->busy),
      static_cast<double>(holdfast->latencies.size()) / absl::ToDoubleSeconds(holdfast->busy)};
  const double p50[] = {Quantile(&direct->latencies, 0.5), Quantile(&holdfast->latencies, 0.5)};
  const double p99[] = {Quantile(&direct->latencies, 0.99), Quantile(&holdfast->latencies, 0.99)};
  const char* const format =
      absl::GetFlag(FLAGS_json)
          ? "{\"clients\": %d, \"direct_p50_us\": %.1f, \"holdfast_p50_us\": %.1f, \"p50_ratio\": "
            "%.2f, \"direct_p99_us\": %.1f, \"holdfast_p99_us\": %.1f, \"p99_ratio\": %.2f, "
            "\"direct_steps_per_s\": %.0f, \"holdfast_steps_per_s\": %.0f, \"rate_ratio\": %.2f}\n"
          : "%7d | %8.1f %8.1f %5.2f | %8.1f %8.1f %5.2f | %8.0f %8.0f %5.2f\n";
  std::printf(format, clients, p50[0], p50[1], p50[1] / p50[0], p99[0], p99[1], p99[1] / p99[0],
              rate[0], rate[1], rate[1] / rate[0]);
}

int Run() {
  std::string directory = std::filesystem::temp_directory_path() / "step-benchmark-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) return 1;
  const std::string worker = absl::GetFlag(FLAGS_worker);
  if (!absl::GetFlag(FLAGS_json)) {
    std::printf(
        "  Step, no observation: direct, through Holdfast, ratio\n"
        "clients |         p50, us          |         p99, us          |         steps/s\n");
  }
  for (const std::string& text : absl::GetFlag(FLAGS_clients)) {
    int count = 0;
    if (!absl::SimpleAtoi(text, &count) || count < 1) {
      std::cerr << "ERROR: --clients has '" << text << "', must be numbers >= 1" << std::endl;
      return 1;
    }
    const Child service({worker, absl::StrCat("--working_dir=", directory, "/", count),
                         absl::StrCat("--max_workers=", count + 4)});
    const std::string port_file = absl::StrCat(directory, "/", count, "/port.txt");
    while (!std::filesystem::exists(port_file)) absl::SleepFor(absl::Milliseconds(1));
    Way direct;
    Way holdfast;
    std::vector<std::unique_ptr<Child>> alone;
    for (int i = 0; i < count; ++i) {
      // A worker without a front, one for each client, as the front has one for each.
      int output[2];
      if (pipe(output) != 0) return 1;
      alone.push_back(std::make_unique<Child>(
          std::vector<std::string>{worker, "--holdfast_role=worker", "--worker_listen=127.0.0.1:0"},
          output[1]));
      close(output[1]);
      FILE* const stream = fdopen(output[0], "r");
      int port = 0;
      if (fscanf(stream, "Serving one session on port %d", &port) != 1) return 1;
      fclose(stream);
      direct.clients.push_back(std::make_unique<Client>(absl::StrCat("127.0.0.1:", port)));
      holdfast.clients.push_back(
          std::make_unique<Client>(absl::StrCat("127.0.0.1:", FirstWordOf(port_file))));
    }
    for (int round = -1; round < absl::GetFlag(FLAGS_rounds); ++round) {
      RunRound(&direct, absl::GetFlag(FLAGS_steps));
      RunRound(&holdfast, absl::GetFlag(FLAGS_steps));
      if (round >= 0) continue;
      direct.latencies.clear();  // The first warms up.
      holdfast.latencies.clear();
      direct.busy = holdfast.busy = absl::ZeroDuration();
    }
    Report(count, &direct, &holdfast);
  }
  std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return holdfast::Run();
}
