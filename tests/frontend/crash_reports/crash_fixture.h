// A failure to make reports of.
#ifndef HOLDFAST_TESTS_FRONTEND_CRASH_REPORTS_CRASH_FIXTURE_H_
#define HOLDFAST_TESTS_FRONTEND_CRASH_REPORTS_CRASH_FIXTURE_H_

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/byte_buffer.h"
#include "frontend/crash_reports/crash_event.h"
#include "proto/worker_control.pb.h"

namespace holdfast {

// Two action spaces, {"gvn", "licm", "sroa"} and a command line {"-gvn"}, and the observations
// "Ir" and "Size".
inline DescribeReply TestDescription() {
  DescribeReply description;
  description.mutable_version()->set_compiler_version("Testing 1.0");
  description.mutable_version()->set_service_version("2");
  auto* const named = description.mutable_spaces()->add_action_space_list();
  named->set_name("passes");
  for (const char* name : {"gvn", "licm", "sroa"}) {
    named->mutable_space()->mutable_named_discrete()->add_name(name);
  }
  compiler_gym::CommandlineSpace flags;
  flags.add_name("-gvn");
  auto* const commandline = description.mutable_spaces()->add_action_space_list();
  commandline->set_name("flags");
  commandline->mutable_space()->mutable_any_value()->PackFrom(flags);
  for (const char* name : {"Ir", "Size"}) {
    description.mutable_spaces()->add_observation_space_list()->set_name(name);
  }
  return description;
}

inline compiler_gym::StepRequest TestStep(const std::vector<int>& actions,
                                          const std::vector<int>& observations = {}) {
  compiler_gym::StepRequest step;
  for (const int action : actions) step.add_action()->set_int64_value(action);
  for (const int space : observations) step.add_observation_space(space);
  return step;
}

// SIGSEGV in the second action, "sroa", of a step, after a history of a step and a parameter.
inline CrashEvent TestEvent(const std::string& program = "int main() {}") {
  CrashEvent event;
  event.session = 7;
  auto benchmark = std::make_shared<compiler_gym::Benchmark>();
  benchmark->set_uri("benchmark://test/a");
  benchmark->mutable_program()->set_contents(program);
  event.origin.benchmark = std::move(benchmark);
  event.history.AppendStep(TestStep({0, 0}).SerializeAsString(), 2);
  compiler_gym::SessionParameter parameter;
  parameter.set_key("level");
  parameter.set_value("3");
  event.history.AppendParameter(parameter.SerializeAsString());
  compiler_gym::StepRequest step = TestStep({1, 2}, {1, 0});
  step.set_session_id(7);
  event.step = Serialize(step);
  event.failure.set_cause(WorkerFailure::SIGNAL);
  event.failure.set_signal(11);
  event.failure.set_activity(WorkerFailure::ACTION);
  event.failure.set_activity_index(1);
  event.failure.set_stderr_tail("words\nPC: @ 0x1 Culprit()\n");
  return event;
}

// An empty directory that goes with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_(mkdtemp(template_)) {}
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  char template_[64] = "/tmp/crash-reports-XXXXXX";
  const std::string path_;
};

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_FRONTEND_CRASH_REPORTS_CRASH_FIXTURE_H_
