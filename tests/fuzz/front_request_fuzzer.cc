// What the front itself reads of its clients' requests, apart from steps: benchmarks, parameters of
// the service, names of actions for its messages.
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "frontend/benchmarks/benchmark_cache.h"
#include "frontend/benchmarks/benchmark_loader.h"
#include "frontend/compiler_service.h"
#include "frontend/worker_description.h"
#include "proto/compiler_gym_service.pb.h"
#include "proto/worker_control.pb.h"
#include "tests/fuzz/fuzzing.h"

namespace holdfast {
namespace {

using compiler_gym::Benchmark;

bool HasCommands(const Benchmark& benchmark) {
  const auto& config = benchmark.dynamic_config();
  return config.build_cmd().argument_size() + config.run_cmd().argument_size() +
             config.pre_run_cmd_size() + config.post_run_cmd_size() >
         0;
}

void CheckBenchmarks(const std::string& bytes) {
  static const BenchmarkLoader strict({/*roots=*/{}, /*allow_commands=*/false, /*max_bytes=*/1000});
  BenchmarkCache cache(/*max_size_bytes=*/1000, /*seed=*/1);
  compiler_gym::AddBenchmarkRequest request;
  if (!request.ParseFromString(bytes)) return;
  for (Benchmark& benchmark : *request.mutable_benchmark()) {
    const absl::Status status = strict.Check("benchmark[0]", benchmark);
    if (!status.ok()) {
      Require(absl::IsInvalidArgument(status) &&
                  absl::StartsWith(status.message(), "benchmark[0].") &&
                  status.message().size() > 20,
              "a refusal names the field");
      continue;
    }
    Require(!benchmark.uri().empty() && benchmark.has_program(), "what must be there is there");
    Require(!HasCommands(benchmark), "commands are refused");
    if (BenchmarkLoader::IsFile(benchmark)) {
      int64_t bytes_left = 1000;
      Require(!strict.ReadFile("benchmark[0]", &benchmark, &bytes_left).ok() && bytes_left == 1000,
              "without roots no file is read");
      continue;
    }
    const auto shared = std::make_shared<const Benchmark>(benchmark);
    const bool is_too_large = cache.Add(shared);
    Require(cache.Find(shared->uri()) == shared, "what was added is found");
    Require(is_too_large || cache.GetStats().size_bytes <= 1000, "the cache keeps its limit");
  }
}

void CheckParameter(const std::string& key, const std::string& value) {
  BenchmarkCache cache(/*max_size_bytes=*/1000, /*seed=*/1);
  const auto reply = CompilerService::BuiltinParameter(&cache, {}, key, value);
  if (!reply.has_value() || key == "service.benchmarks") return;
  Require(absl::StartsWith(key, "service.benchmark_cache."), "other keys are unknown");
  int64_t number = 0;
  Require(reply->ok() ? absl::SimpleAtoi(**reply, &number) && number >= 0
                      : absl::IsInvalidArgument(reply->status()),
          "the reply is a size, or a refusal");
}

// `description`: by a worker; `step`: by a client.
void CheckNames(const std::string& description, const std::string& step) {
  DescribeReply described;
  const auto view = ScanStepRequest({absl::string_view(step)});
  if (!view.ok() || !described.ParseFromString(description)) return;
  WorkerDescription held;
  held.Set(described);
  for (const auto& space : held.Get()->spaces().action_space_list()) {
    Require(!DescribeActions(space, *view).empty(), "actions have a description");
  }
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;  // NOLINT(google-build-using-namespace): the entry point is outside.
  SilenceProtobuf();
  FuzzedDataProvider input(data, size);
  const int what = input.ConsumeIntegralInRange(0, 2);
  const std::string first = ConsumeString(&input);
  const std::string second = input.ConsumeRemainingBytesAsString();
  if (what == 0) CheckBenchmarks(first);
  if (what == 1) CheckParameter(first, second);
  if (what == 2) CheckNames(first, second);
  return 0;
}
