// What sessions cost apart from their steps: forks, recoveries, parking, starts and ends. With real
// LLVM workers, on a program that is next to nothing and on one of several megabytes of bitcode.
// All in one run: only the ratios mean anything.
//
//   bazel run -c opt //tests/bench:session_benchmark
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/bench/large_program.h"
#include "tests/integration/service_process.h"

ABSL_FLAG(int, functions, 3600, "Functions of the large program. At least 1.");
ABSL_FLAG(int, rounds, 10, "How often each is measured; the median counts. At least 1.");

namespace holdfast {
namespace {

constexpr char kSmall[] = "benchmark://holdfast-v0/small";
constexpr char kMedium[] = "benchmark://holdfast-v0/medium";
constexpr char kLarge[] = "benchmark://holdfast-v0/large";

constexpr absl::Duration kRest = absl::Milliseconds(100);

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double Seconds(const std::function<void()>& work) {
  const absl::Time start = absl::Now();
  work();
  return absl::ToDoubleSeconds(absl::Now() - start);
}

double MedianSeconds(const std::function<void()>& work) {
  std::vector<double> seconds;
  for (int i = 0; i < absl::GetFlag(FLAGS_rounds); ++i) seconds.push_back(Seconds(work));
  return Median(std::move(seconds));
}

class Benchmark {
 public:
  Benchmark() : service_("worker/llvm/llvm_worker"), stub_(service_.NewClient()) {
    compiler_gym::GetSpacesReply spaces;
    grpc::ClientContext context;
    stub_->GetSpaces(&context, {}, &spaces);
    for (int i = 0; i < spaces.action_space_list_size(); ++i) {
      if (spaces.action_space_list(i).name() != "passes") continue;
      action_space_ = i;
      const auto& names = spaces.action_space_list(i).space().named_discrete().name();
      for (const char* pass : {"sroa", "early-cse<memssa>", "simplifycfg", "gvn", "licm", "dse",
                               "indvars", "reassociate", "adce", "sccp"}) {
        const auto found = std::find(names.begin(), names.end(), pass);
        if (found != names.end()) passes_.push_back(found - names.begin());
      }
    }
    for (int i = 0; i < spaces.observation_space_list_size(); ++i) {
      if (spaces.observation_space_list(i).name() == "Bitcode") bitcode_ = i;
    }
    const int functions = absl::GetFlag(FLAGS_functions);
    AddBitcode(kSmall, "int main() { return 0; }\n");
    AddBitcode(kMedium, LargeProgram(std::max(1, functions / 50)));
    AddBitcode(kLarge, LargeProgram(functions));
  }

  void Forks() {
    TestSession small = Start(kSmall);
    TestSession large = Start(kLarge);
    const double round_trip = MedianSeconds([&] { small.Step({}); });
    double reapply = 0;
    for (int i = 0; i < 20; ++i) reapply += Seconds([&] { large.Step({Pass(i)}); });
    const auto fork = [&](TestSession* session, std::vector<double>* first_steps) {
      std::vector<double> forks;
      for (int i = 0; i < absl::GetFlag(FLAGS_rounds); ++i) {
        absl::SleepFor(kRest);  // The end of the last child is not measured.
        session->Step({});
        const absl::Time start = absl::Now();
        compiler_gym::ForkSessionRequest request;
        request.set_session_id(session->id());
        compiler_gym::ForkSessionReply reply;
        grpc::ClientContext context;
        session->stub().ForkSession(&context, request, &reply);
        forks.push_back(absl::ToDoubleSeconds(absl::Now() - start));
        TestSession child(service_, reply.session_id());
        child.Step({Pass(0)});
        first_steps->push_back(absl::ToDoubleSeconds(absl::Now() - start));
        child.End();
      }
      return Median(std::move(forks));
    };
    std::vector<double> small_steps;
    std::vector<double> large_steps;
    const double small_fork = fork(&small, &small_steps);
    const double large_fork = fork(&large, &large_steps);
    std::printf("fork: small %.2f, large %.2f round trips of an empty step; large / small %.2f\n",
                small_fork / round_trip, large_fork / round_trip, large_fork / small_fork);
    const double step = Median(large_steps);
    std::printf("fork and first step of the large program: %.3f s; 20 passes: %.3f s; ratio %.2f\n",
                step, reapply, step / reapply);
    small.End();
    large.End();
  }

  void Recoveries() {
    for (const int actions : {10, 100, 1000}) {
      TestSession session = Start(kMedium);
      double applied = 0;
      for (int i = 0; i < actions; ++i) applied += Seconds([&] { session.Step({Pass(i)}); });
      std::vector<double> recoveries;
      for (int i = 0; i < absl::GetFlag(FLAGS_rounds); ++i) {
        for (const pid_t worker : service_.workers()) kill(worker, SIGKILL);
        WaitUntil([&] { return !service_.workers().empty(); });
        recoveries.push_back(Seconds([&] { session.Step({}); }));
      }
      const double recovery = Median(std::move(recoveries));
      std::printf("recovery after %4d actions: %.3f s; the actions took %.3f s; ratio %.3f\n",
                  actions, recovery, applied, recovery / applied);
      session.End();
    }
  }

  // Of parked sessions, on a service that parks at once.
  void Materialisations() {
    const ServiceProcess service("worker/llvm/llvm_worker", {"--park_after=100ms"});
    for (const auto& [name, bitcode] : programs_) {
      TestSession session(service, name, bitcode, action_space_);
      std::vector<double> seconds;
      std::vector<double> resident;
      for (int i = 0; i < absl::GetFlag(FLAGS_rounds); ++i) {
        WaitUntil([&] { return service.Metric("holdfast_sessions{state=\"parked\"}") == 1; });
        seconds.push_back(Seconds([&] { session.Step({}); }));
        resident.push_back(Seconds([&] { session.Step({}); }));
      }
      std::printf("%s: a step of nothing takes a parked session %.4f s, any other %.4f s\n",
                  name.c_str(), Median(std::move(seconds)), Median(std::move(resident)));
      session.End();
    }
  }

  void Starts() {
    const int count = 50 * absl::GetFlag(FLAGS_rounds);
    const double seconds = Seconds([&] {
      for (int i = 0; i < count; ++i) Start(kSmall).End();
    });
    std::printf("start and end, one client: %.0f a second\n", count / seconds);
  }

 private:
  // As bitcode, so that the C compiler is not measured.
  void AddBitcode(const std::string& uri, const std::string& program) {
    TestSession source(service_, absl::StrCat(uri, "/source"), program, action_space_);
    const std::string bitcode = source.Observe(bitcode_).byte_tensor().value();
    source.End();
    std::printf("%s: %.3f MB of bitcode\n", uri.c_str(), static_cast<double>(bitcode.size()) / 1e6);
    AddBenchmark(stub_.get(), uri, bitcode);
    programs_.emplace_back(uri, bitcode);
  }
  TestSession Start(const std::string& uri) {
    int64_t id = 0;
    const grpc::Status status = StartSession(stub_.get(), uri, action_space_, &id);
    if (!status.ok()) std::printf("StartSession fails: %s\n", status.error_message().c_str());
    return TestSession(service_, id);
  }
  int64_t Pass(int i) const { return passes_[static_cast<size_t>(i) % passes_.size()]; }

  const ServiceProcess service_;
  const std::unique_ptr<compiler_gym::CompilerGymService::Stub> stub_;
  int action_space_ = 0;
  int bitcode_ = 0;
  std::vector<int64_t> passes_;
  std::vector<std::pair<std::string, std::string>> programs_;  // URI and bitcode.
};

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  holdfast::Benchmark benchmark;
  benchmark.Forks();
  benchmark.Recoveries();
  benchmark.Materialisations();
  benchmark.Starts();
}
