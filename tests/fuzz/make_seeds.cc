// Writes the first inputs of a fuzz target, made of real messages: make_seeds TARGET FOLDER.
#include <cstdint>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "frontend/crash_reports/crash_report.h"
#include "frontend/spawner/spawner_protocol.h"
#include "proto/compiler_gym_service.pb.h"
#include "proto/worker_control.pb.h"
#include "worker/host_methods.h"

namespace holdfast {
namespace {

// What FuzzedDataProvider reads as given: strings from the front, numbers of a byte from the back.
class Input {
 public:
  Input& Number(uint8_t number) {
    numbers_.insert(numbers_.begin(), static_cast<char>(number));
    return *this;
  }
  Input& String(const std::string& bytes) {
    for (const char c : bytes) {
      strings_.push_back(c);
      if (c == '\\') strings_.push_back(c);
    }
    strings_ += "\\.";
    return *this;
  }
  Input& Rest(const std::string& bytes) {
    strings_ += bytes;
    return *this;
  }
  std::string bytes() const { return strings_ + numbers_; }

 private:
  std::string strings_;
  std::string numbers_;
};

using Seeds = std::vector<std::string>;

// An event of worker_reply_fuzzer.cc.
constexpr uint8_t kAnswerWell = 11;

compiler_gym::Benchmark SomeBenchmark() {
  compiler_gym::Benchmark benchmark;
  benchmark.set_uri("benchmark://example-v0/1");
  benchmark.mutable_program()->set_contents("+-T><.+");
  return benchmark;
}

compiler_gym::StepRequest SomeStep(int64_t session_id) {
  compiler_gym::StepRequest step;
  step.set_session_id(session_id);
  for (const int64_t action : {0, 3, 1}) step.add_action()->set_int64_value(action);
  for (const int observation : {0, 1, 2}) step.add_observation_space(observation);
  return step;
}

DescribeReply SomeDescription() {
  DescribeReply description;
  description.mutable_version()->set_compiler_version("example 1.0");
  auto* space = description.mutable_spaces()->add_action_space_list()->mutable_space();
  for (const char* name : {"fold", "clean"}) space->mutable_named_discrete()->add_name(name);
  description.mutable_spaces()->add_observation_space_list()->set_name("text");
  return description;
}

Seeds StepRequests() {
  return {Input().Number(0).Rest(SomeStep(7).SerializeAsString()).bytes(),
          Input().Number(2).Number(3).Number(9).Rest(SomeStep(-1).SerializeAsString()).bytes()};
}

Seeds StepLaneReplies() {
  StepLaneReply good;
  good.mutable_answer()->set_actions_applied(3);
  good.mutable_answer()->set_clean(true);
  good.mutable_answer()->set_fingerprint("1234");
  good.mutable_answer()->set_action_micros(300);
  good.set_reply("reply");
  StepLaneReply failed;
  failed.mutable_answer()->set_code(3);
  failed.mutable_answer()->set_message("action[0] is 7");
  return {Input().Number(9).Number(0).Rest(good.SerializeAsString()).bytes(),
          Input().Number(2).Number(0).Rest(failed.SerializeAsString()).bytes()};
}

// A method as request_fuzzer.cc reads it.
uint8_t Method(absl::string_view name) {
  return static_cast<uint8_t>(&FindHostMethod(name) - HostMethods().data());
}

Seeds Requests() {
  compiler_gym::StartSessionRequest start;
  *start.mutable_benchmark() = SomeBenchmark();
  start.add_observation_space(2);
  compiler_gym::StartSessionRequest pipeline = start;
  pipeline.set_action_space(1);
  compiler_gym::StepRequest names;
  names.set_session_id(1);
  names.add_action()->set_string_value("fold,clean,expand");
  HandleParameterRequest parameter;
  parameter.mutable_parameter()->set_key("example.max_rewrites");
  parameter.mutable_parameter()->set_value("1");
  RestoreRequest restore;
  *restore.mutable_benchmark() = SomeBenchmark();
  restore.mutable_snapshot()->set_type("holdfast.example");
  restore.mutable_snapshot()->set_version(1);
  restore.mutable_snapshot()->set_data("7/+.-T");
  const std::string step = SomeStep(1).SerializeAsString();
  return {Input()
              .Number(Method("Restore"))
              .String(restore.SerializeAsString())
              .Number(Method("Step"))
              .String(step)
              .Number(Method("Snapshot"))
              .String("")
              .bytes(),
          Input()
              .Number(Method("StartSession"))
              .String(start.SerializeAsString())
              .Number(Method("HandleParameter"))
              .String(parameter.SerializeAsString())
              .Number(Method("Step"))
              .String(step)
              .Number(Method("Fingerprint"))
              .String("")
              .Number(Method("Snapshot"))
              .String("")
              .bytes(),
          Input()
              .Number(Method("StartSession"))
              .String(pipeline.SerializeAsString())
              .Number(Method("Step"))
              .String(names.SerializeAsString())
              .bytes()};
}

Seeds FrontRequests() {
  compiler_gym::AddBenchmarkRequest add;
  *add.add_benchmark() = SomeBenchmark();
  compiler_gym::Benchmark* const file = add.add_benchmark();
  file->set_uri("benchmark://files-v0/1");
  file->mutable_program()->set_uri("file:///dev/null");
  add.add_benchmark()->mutable_dynamic_config()->mutable_build_cmd()->add_argument("cc");
  compiler_gym::StepRequest without_value;
  without_value.add_action();
  Seeds seeds = {Input().Number(0).String(add.SerializeAsString()).bytes(),
                 Input()
                     .Number(2)
                     .String(SomeDescription().SerializeAsString())
                     .Rest(without_value.SerializeAsString())
                     .bytes(),
                 Input()
                     .Number(2)
                     .String(SomeDescription().SerializeAsString())
                     .Rest(SomeStep(1).SerializeAsString())
                     .bytes()};
  for (const char* name : {"get_size_in_bytes", "get_max_size_in_bytes", "set_max_size_in_bytes"}) {
    seeds.push_back(
        Input().Number(1).String(std::string("service.benchmark_cache.") + name).Rest("7").bytes());
  }
  return seeds;
}

// A session that is started and steps, and is asked for a snapshot: each event takes the numbers of
// worker_reply_fuzzer.cc. What is not answered at the end of the input is answered then.
Input SessionWithSnapshotDue() {
  Input input;
  input.Number(9).Number(0).Number(1).Number(2);  // Ten workers at most, none of them warm.
  input.Number(0).Number(0);                      // Snapshots are taken.
  input.String(SomeDescription().SerializeAsString()).Number(0).Number(1);
  input.Number(kAnswerWell);            // Describe
  input.Number(kAnswerWell).Number(1);  // StartSession, with this id.
  input.Number(0).Number(2).Number(0);  // A step of two actions,
  input.Number(kAnswerWell).Number(2);  // which take an hour.
  return input;
}

Seeds WorkerReplies() {
  Input forked = SessionWithSnapshotDue();
  forked.Number(3).Number(0);                      // A fork waits for the snapshot,
  forked.Number(1).Number(0).Number(1).Number(0);  // and has a step to do.
  Input lost = SessionWithSnapshotDue();
  lost.Number(kAnswerWell).Number(1);                       // With a fingerprint.
  lost.Number(0).Number(1).Number(0);                       // A step of one action,
  lost.Number(kAnswerWell).Number(0);                       // which takes no time,
  lost.Number(0).Number(1).Number(0);                       // and one in which
  lost.Number(9).String("").Number(0).Number(0).Number(9);  // the worker is killed.
  Input refused = lost;
  refused.Number(kAnswerWell);                      // The next worker's Describe
  refused.Number(kAnswerWell).Number(2).Number(3);  // and Restore, of something else.
  Input parked = SessionWithSnapshotDue();
  parked.Number(kAnswerWell).Number(0);
  parked.Number(5);
  parked.Number(0).Number(1).Number(0);
  Input queued = SessionWithSnapshotDue();
  queued.Number(kAnswerWell).Number(0);
  queued.Number(0).Number(1).Number(0);  // During a step
  queued.Number(3).Number(0);            // come a fork
  queued.Number(0).Number(1).Number(0);  // and a step;
  queued.Number(kAnswerWell).Number(2);  // the first one took an hour.
  queued.Number(1).Number(0).Number(1).Number(0);
  return {forked.bytes(), lost.bytes(), refused.bytes(), parked.bytes(), queued.bytes()};
}

Seeds CrashReports() {
  CrashEvent event;
  event.origin = {std::make_shared<compiler_gym::Benchmark>(SomeBenchmark()), 0};
  event.failure.set_cause(WorkerFailure::SIGNAL);
  event.failure.set_signal(11);
  event.failure.set_activity(WorkerFailure::ACTION);
  event.failure.set_stderr_tail("PC: @ 0x4a8b10  llvm::Pass()\n    @ 0x4a8b10  64  llvm::Pass()\n");
  const CrashReport report = MakeCrashReport(event, SomeDescription());
  return {Input().Number(0).Rest(report.SerializeAsString()).bytes(),
          Input().Number(1).String("+-").Rest(event.failure.stderr_tail()).bytes()};
}

Seeds ControlMessages() {
  SpawnMessage spawn;
  spawn.process = 7;
  spawn.arguments = {"worker", "--flag"};
  spawn.environment = {"HOME=/"};
  ExitedMessage exited;
  exited.error = "no such file";
  Seeds seeds;
  for (const ControlMessage& message : std::initializer_list<ControlMessage>{
           spawn, KillMessage{7}, CleanupMessage(), StartedMessage{7, 8}, exited}) {
    seeds.push_back(*EncodeControlMessage(message));
  }
  return seeds;
}

Seeds FailureStatuses() {
  return {Input().Number(3).String("Step failed: 100 %").Rest("error\n\xff\n").bytes()};
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  using namespace holdfast;  // NOLINT(google-build-using-namespace): main is outside.
  const std::map<std::string, std::function<Seeds()>> targets = {
      {"control_message_fuzzer", ControlMessages},
      {"crash_report_fuzzer", CrashReports},
      {"failure_status_fuzzer", FailureStatuses},
      {"front_request_fuzzer", FrontRequests},
      {"request_fuzzer", Requests},
      {"step_lane_fuzzer", StepLaneReplies},
      {"step_request_fuzzer", StepRequests},
      {"worker_reply_fuzzer", WorkerReplies},
  };
  const auto target = argc == 3 ? targets.find(argv[1]) : targets.end();
  if (target == targets.end()) {
    std::cerr << "make_seeds TARGET FOLDER: there is no such target" << std::endl;
    return 2;
  }
  int number = 0;
  for (const std::string& seed : target->second()) {
    std::ofstream file(std::string(argv[2]) + "/seed-" + std::to_string(++number),
                       std::ios::binary);
    file << seed;
    if (!file.flush()) return 1;
  }
  return 0;
}
