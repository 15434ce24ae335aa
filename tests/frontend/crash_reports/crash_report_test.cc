#include "frontend/crash_reports/crash_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "frontend/action_name.h"
#include "tests/frontend/crash_reports/crash_fixture.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

CrashSignature Signature(const CrashEvent& event) { return SignatureOf(event, TestDescription()); }
std::string IdOf(const CrashEvent& event) { return CrashId(Signature(event)); }

// A failure while the worker was doing `activity`.
CrashEvent During(WorkerFailure::Activity activity, int index = 0) {
  CrashEvent event = TestEvent();
  event.failure.set_activity(activity);
  event.failure.set_activity_index(index);
  return event;
}

TEST(CrashSignatureTest, HoldsWhatMakesFailuresTheSame) {
  const CrashSignature signature = Signature(TestEvent());
  EXPECT_EQ(signature.session_type(), "Testing 1.0");
  EXPECT_EQ(signature.cause(), WorkerFailure::SIGNAL);
  EXPECT_EQ(signature.signal(), 11);
  EXPECT_EQ(signature.exit_code(), 0);
  EXPECT_THAT(signature.where(), ElementsAre("Culprit()"));
  EXPECT_EQ(signature.last_action(), "sroa");
}

TEST(CrashSignatureTest, NamesWhatWasDone) {
  EXPECT_EQ(Signature(During(WorkerFailure::ACTION, 0)).last_action(), "licm");
  EXPECT_EQ(Signature(During(WorkerFailure::ACTION, 2)).last_action(), "action 2");
  EXPECT_EQ(Signature(During(WorkerFailure::ACTION, -1)).last_action(), "action -1");
  EXPECT_EQ(Signature(During(WorkerFailure::INIT)).last_action(), "Init");
  EXPECT_EQ(Signature(During(WorkerFailure::END_OF_STEP)).last_action(), "end of step");
  EXPECT_EQ(Signature(During(WorkerFailure::OBSERVATION, 0)).last_action(), "observation Size");
  EXPECT_EQ(Signature(During(WorkerFailure::OBSERVATION, 1)).last_action(), "observation Ir");
  EXPECT_EQ(Signature(During(WorkerFailure::OBSERVATION, 2)).last_action(), "observation");
  EXPECT_EQ(Signature(During(WorkerFailure::FINGERPRINT)).last_action(), "fingerprint");
  EXPECT_EQ(Signature(During(WorkerFailure::NONE)).last_action(), "");

  CrashEvent parameter = During(WorkerFailure::PARAMETER);
  parameter.step.reset();
  parameter.parameter.emplace();
  parameter.parameter->set_key("level");
  EXPECT_EQ(Signature(parameter).last_action(), "parameter level");

  CrashEvent recovery = During(WorkerFailure::ACTION, 3);
  recovery.step.reset();
  recovery.failure.set_during(kDuringRecovery);
  EXPECT_EQ(Signature(recovery).last_action(), "recovery");

  CrashEvent start = During(WorkerFailure::OBSERVATION, 0);
  start.step.reset();
  start.is_start = true;
  start.start_observations.Add(0);
  EXPECT_EQ(Signature(start).last_action(), "observation Ir");
}

TEST(CrashSignatureTest, ActionsWithoutNamesAreText) {
  const auto flags = TestDescription().spaces().action_space_list(1).space();
  const auto action = [](int index) { return TestStep({index}).action(0); };
  EXPECT_EQ(ActionName(flags, action(0)), "-gvn");
  EXPECT_EQ(ActionName(flags, action(1)), "int64_value: 1");
  EXPECT_EQ(ActionName({}, action(-1)), "int64_value: -1");
  EXPECT_EQ(DescribeAction(flags, action(0)), "-gvn (0)");
  EXPECT_EQ(DescribeAction(flags, action(1)), "1");
  EXPECT_EQ(ActionName(flags, {}), "no value");
  EXPECT_EQ(DescribeAction(flags, {}), "no value");
  CrashEvent event = TestEvent();
  event.origin.action_space = 99;  // None that the worker has.
  EXPECT_EQ(Signature(event).last_action(), "int64_value: 2");
}

TEST(CrashSignatureTest, AnExitHasItsCodeAndALimitNoPlace) {
  CrashEvent event = TestEvent();
  event.failure.set_cause(WorkerFailure::EXIT);
  event.failure.set_exit_code(3);
  EXPECT_EQ(Signature(event).exit_code(), 3);
  EXPECT_EQ(Signature(event).signal(), 0);
  for (const auto cause : {WorkerFailure::TIME_LIMIT, WorkerFailure::MEMORY_LIMIT,
                           WorkerFailure::CPU_LIMIT, WorkerFailure::PROCESS_LIMIT}) {
    event.failure.set_cause(cause);
    EXPECT_EQ(Signature(event).where_size(), 0) << cause;
    EXPECT_EQ(Signature(event).signal(), 0) << cause;
    EXPECT_EQ(Signature(event).last_action(), "sroa") << cause;
  }
}

TEST(CrashIdTest, IsTheSameInEveryBuild) {
  EXPECT_EQ(IdOf(TestEvent()), "2e0300c4be9336f1");  // Computed by other means.
}

TEST(CrashIdTest, DiffersWithEachPartOfTheSignatureAndNothingElse) {
  const std::string id = IdOf(TestEvent());
  const std::vector<std::pair<const char*, std::function<void(CrashSignature*)>>> changes = {
      {"session type", [](CrashSignature* s) { s->set_session_type("Testing 1.1"); }},
      {"cause", [](CrashSignature* s) { s->set_cause(WorkerFailure::LINK); }},
      {"signal", [](CrashSignature* s) { s->set_signal(6); }},
      {"exit code", [](CrashSignature* s) { s->set_exit_code(1); }},
      {"a frame", [](CrashSignature* s) { s->set_where(0, "Other()"); }},
      {"one more", [](CrashSignature* s) { s->add_where(""); }},
      {"last action", [](CrashSignature* s) { s->set_last_action("gvn"); }},
      {"the border",
       [](CrashSignature* s) {
         s->set_where(0, "Culprit()s");
         s->set_last_action("roa");
       }},
  };
  for (const auto& [what, change] : changes) {
    CrashSignature signature = Signature(TestEvent());
    change(&signature);
    EXPECT_NE(CrashId(signature), id) << what;
  }
  CrashEvent other = TestEvent("another program");
  other.session = 8;
  other.history.AppendStep(TestStep({1}).SerializeAsString(), 1);
  other.failure.set_peak_rss_bytes(1234);
  other.failure.set_attempts(2);
  EXPECT_EQ(IdOf(other), id);
}

TEST(CrashReportTest, HoldsAllThatItTakes) {
  CrashEvent event = TestEvent();
  event.failure.set_stderr_tail("a\x80z\n");
  const CrashReport report = MakeCrashReport(event, TestDescription());
  EXPECT_EQ(report.format(), kCrashReportFormat);
  EXPECT_EQ(report.id(), CrashId(report.signature()));
  EXPECT_EQ(report.version().compiler_version(), "Testing 1.0");
  EXPECT_EQ(report.benchmark().program().contents(), "int main() {}");
  EXPECT_EQ(report.action_space(), 0);
  EXPECT_EQ(report.action_space_name(), "passes");
  ASSERT_EQ(report.history_size(), 2);
  EXPECT_EQ(report.history(0).step().action_size(), 2);
  EXPECT_EQ(report.history(1).parameter().key(), "level");
  EXPECT_EQ(report.step().action(1).int64_value(), 2);
  EXPECT_EQ(report.step().observation_space_size(), 2);
  EXPECT_EQ(report.step().session_id(), 0);
  EXPECT_EQ(report.failure().signal(), 11);
  EXPECT_EQ(report.failure().stderr_tail(), "a?z\n");
  EXPECT_TRUE(ParseCrashReport(report.SerializeAsString()).ok());
}

TEST(CrashReportTest, HoldsTheOtherCalls) {
  CrashEvent event = TestEvent();
  event.step.reset();
  EXPECT_EQ(MakeCrashReport(event, TestDescription()).call_case(), CrashReport::CALL_NOT_SET);
  event.is_start = true;
  event.origin.action_space = 1;
  event.start_observations.Add(1);
  CrashReport report = MakeCrashReport(event, TestDescription());
  EXPECT_EQ(report.start().action_space(), 1);
  EXPECT_EQ(report.start().observation_space(0), 1);
  EXPECT_EQ(report.action_space_name(), "flags");
  event.is_start = false;
  event.parameter.emplace().set_key("level");
  report = MakeCrashReport(event, TestDescription());
  EXPECT_EQ(report.parameter().key(), "level");
}

TEST(CrashReportTest, AMalformedStepIsLeftOut) {
  CrashEvent event = TestEvent();
  const grpc::Slice slice("\xff\xff\xff");
  event.step = grpc::ByteBuffer(&slice, 1);
  const CrashReport report = MakeCrashReport(event, TestDescription());
  EXPECT_EQ(report.step().action_size(), 0);
  EXPECT_EQ(report.signature().last_action(), "action 1");
}

// Every report that a hostile file could hold is refused, with the field's name.
TEST(ParseCrashReportTest, RefusesWhatIsNotWhole) {
  const CrashReport good = MakeCrashReport(TestEvent(), TestDescription());
  const std::vector<std::pair<std::string, std::function<void(CrashReport*)>>> changes = {
      {"format is 2, but must be 1", [](CrashReport* r) { r->set_format(2); }},
      {"format is 0, but must be 1", [](CrashReport* r) { r->clear_format(); }},
      {"id is \"../../etc\\x1b\", but must be \"",
       [](CrashReport* r) { r->set_id("../../etc\x1b"); }},
      {"signature is missing", [](CrashReport* r) { r->clear_signature(); }},
      {"id is \"", [](CrashReport* r) { r->mutable_signature()->set_signal(4); }},
      {"benchmark.program.contents is missing", [](CrashReport* r) { r->clear_benchmark(); }},
      {"benchmark.program.contents is missing",
       [](CrashReport* r) { r->mutable_benchmark()->mutable_program()->set_uri("file:///x"); }},
      {"action_space is -1, but must be at least 0",
       [](CrashReport* r) { r->set_action_space(-1); }},
      {"history[2] is empty, but must be", [](CrashReport* r) { r->add_history(); }},
      {"failure is missing", [](CrashReport* r) { r->clear_failure(); }},
      {"failure.cause is 99, but must be in [0, ",
       [](CrashReport* r) {
         r->mutable_failure()->set_cause(static_cast<WorkerFailure::Cause>(99));
       }},
  };
  for (const auto& [message, change] : changes) {
    CrashReport report = good;
    change(&report);
    const auto parsed = ParseCrashReport(report.SerializeAsString());
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(message));
  }
}

TEST(ParseCrashReportTest, RefusesEveryPrefix) {
  const std::string bytes = MakeCrashReport(TestEvent(), TestDescription()).SerializeAsString();
  ASSERT_TRUE(ParseCrashReport(bytes).ok());
  // The failure is the last field: whatever is cut off, something is missing.
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto parsed = ParseCrashReport(absl::string_view(bytes).substr(0, size));
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << size;
  }
}

class ReadCrashReportTest : public testing::Test {
 protected:
  absl::Status Read() { return ReadCrashReport(path_).status(); }
  void Write(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/x.crash";
};

TEST_F(ReadCrashReportTest, ReadsWhatWasWritten) {
  const CrashReport report = MakeCrashReport(TestEvent(), TestDescription());
  Write(report.SerializeAsString());
  const auto read = ReadCrashReport(path_);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->SerializeAsString(), report.SerializeAsString());
}

TEST_F(ReadCrashReportTest, RefusesHostileFiles) {
  EXPECT_EQ(Read().code(), absl::StatusCode::kNotFound);
  for (const std::string& bytes : {std::string(), std::string("ELF, or what you like\n"),
                                   std::string(100000, '\xff'), std::string(100000, '\0')}) {
    Write(bytes);
    EXPECT_EQ(Read().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(Read().message()), HasSubstr(path_));
  }
  ASSERT_EQ(truncate(path_.c_str(), off_t{1} << 40), 0);  // Sparse, and not to be read.
  EXPECT_EQ(Read().code(), absl::StatusCode::kInvalidArgument);
  unlink(path_.c_str());
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(Read().code(), absl::StatusCode::kInvalidArgument);
  unlink(path_.c_str());
  ASSERT_EQ(mkdir(path_.c_str(), 0700), 0);
  EXPECT_EQ(Read().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace holdfast
