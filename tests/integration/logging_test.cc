// The logs of a whole service: what is in which file, in which form, and what logrotate needs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/misbehaving_service.h"
#include "tests/integration/running_program.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;
using Json = nlohmann::json;

constexpr char kLog[] = "logs/holdfast.log";
constexpr char kWorkersLog[] = "logs/workers.log";
constexpr size_t kMaxTail = 4096;

std::vector<std::string> Lines(const ServiceProcess& service, const std::string& file) {
  return absl::StrSplit(service.ReadFile(file), '\n', absl::SkipEmpty());
}

// Each line is an object, or the test fails.
std::vector<Json> ParseLines(const ServiceProcess& service, const std::string& file) {
  std::vector<Json> all;
  for (const std::string& line : Lines(service, file)) {
    Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(json.is_object()) << file << ": " << line;
    if (json.is_object()) all.push_back(std::move(json));
  }
  return all;
}

std::vector<Json> WithMessage(const std::vector<Json>& lines, const std::string& message) {
  std::vector<Json> found;
  for (const Json& line : lines) {
    if (line.value("message", "") == message) found.push_back(line);
  }
  return found;
}

TEST(LoggingTest, JsonLinesHaveIdsAndTheWholeFailure) {
  MisbehavingService service({"--log_format=json", "--log_level=debug"});
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"noop"}).ok());
  const pid_t pid = WorkerOf(&session);
  const grpc::Status status = StepBy(&session, {"add_one", "stderr_garbage"});
  const absl::optional<WorkerFailure> told = FailureOf(status);
  ASSERT_TRUE(told.has_value()) << status.error_message();
  ASSERT_EQ(service.Terminate(), 0);

  const std::vector<Json> lines = ParseLines(service, kLog);
  for (const Json& line : lines) {
    for (const char* name : {"time", "level", "subsystem", "message"}) {
      EXPECT_TRUE(line.contains(name) && line[name].is_string()) << line;
    }
  }
  EXPECT_EQ(WithMessage(lines, "serves").size(), 1);
  EXPECT_EQ(WithMessage(lines, "ended").size(), 1);

  // The step, and its retry on another worker.
  const std::vector<Json> failed = WithMessage(lines, "worker failed");
  ASSERT_EQ(failed.size(), 2);
  EXPECT_NE(failed[0]["worker"], failed[1]["worker"]);
  int known = 0;
  for (const Json& ready : WithMessage(lines, "worker is ready")) {
    if (ready["pid"] == 0) continue;  // It answered before the spawner had told.
    ++known;
    EXPECT_EQ(ready["pid"] == pid, ready["worker"] == failed[0]["worker"]) << ready;
  }
  EXPECT_GT(known, 0);
  for (const Json& line : failed) {
    EXPECT_EQ(line["level"], "warning");
    EXPECT_EQ(line["subsystem"], "session");
    EXPECT_EQ(line["session"], absl::StrCat(session.id()));
    EXPECT_EQ(line["benchmark"], "benchmark://test/ok");
    const Json& failure = line["failure"];
    ASSERT_EQ(failure.size(), WorkerFailure::descriptor()->field_count()) << failure;
    EXPECT_EQ(failure["cause"], "SIGNAL");
    EXPECT_EQ(failure["signal"], told->signal());
    EXPECT_EQ(failure["during"], "Step");
    EXPECT_EQ(failure["activity"], "ACTION");
    EXPECT_EQ(failure["activity_index"], 1);
    EXPECT_EQ(failure["actions_applied"], "1");
    EXPECT_EQ(failure["session_restored"], true);
    EXPECT_THAT(failure["stderr_tail"].get<std::string>(), Not(IsEmpty()));
  }
  EXPECT_EQ(failed[1]["failure"]["attempts"], 2);

  const std::vector<Json> output = ParseLines(service, kWorkersLog);
  EXPECT_THAT(output, Not(IsEmpty()));
  for (const Json& line : output) {
    EXPECT_TRUE(line["worker"].is_number_unsigned()) << line;
    EXPECT_EQ(line["stream"], "stderr") << line;
  }
}

// What logrotate does: it moves the files, then asks for new ones.
class ReopenTest : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(, ReopenTest, testing::Values(SIGUSR1, SIGHUP));

TEST_P(ReopenTest, MovedFilesAreMadeAgainAndNothingElseHappens) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  const pid_t worker = WorkerOf(&session);
  const pid_t spawner = service.spawner();
  for (const char* file : {kLog, kWorkersLog}) {
    fs::rename(service.directory() + "/" + file,
               absl::StrCat(service.directory(), "/", file, ".1"));
  }
  const std::string old_log = service.ReadFile(absl::StrCat(kLog, ".1"));
  EXPECT_THAT(old_log, HasSubstr(" serves "));
  // It may go to all processes of the service, as with `systemctl kill`.
  for (const pid_t pid : service.workers()) kill(pid, GetParam());
  kill(spawner, GetParam());
  service.Signal(GetParam());
  ASSERT_TRUE(WaitUntil(
      [&] { return absl::StrContains(service.ReadFile(kLog), " logs are opened anew "); }));
  for (const char* file : {kLog, kWorkersLog}) {
    EXPECT_EQ(ModeOf(service.directory() + "/" + file), 0600u) << file;
  }
  EXPECT_EQ(service.ReadFile(absl::StrCat(kLog, ".1")), old_log);

  EXPECT_EQ(WorkerOf(&session), worker);
  EXPECT_EQ(service.spawner(), spawner);
  EXPECT_EQ(service.Metric("holdfast_worker_failures_total{cause=\"signal\"}"), 0);
  // New lines go to the new files.
  EXPECT_FALSE(StepBy(&session, {"stderr_flood"}).ok());
  EXPECT_THAT(service.ReadFile(kLog), HasSubstr(" worker failed "));
  EXPECT_TRUE(
      WaitUntil([&] { return absl::StrContains(service.ReadFile(kWorkersLog), " stderr: "); }));
  EXPECT_EQ(service.Terminate(), 0);
}

TEST(LoggingTest, LibrariesLogAsTheServiceDoes) {
  MisbehavingService service({"--log_format=json"});
  const auto client = service.NewClient();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(AddBenchmark(client.get(), "\xff", "ok").error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_GT(service.Metric("holdfast_log_lines_suppressed_total").value_or(0), 50);
  ASSERT_EQ(service.Terminate(), 0);
  const std::vector<Json> lines = WithMessage(ParseLines(service, kLog), "Protocol Buffers");
  ASSERT_FALSE(lines.empty());
  EXPECT_THAT(lines[0]["says"].get<std::string>(), HasSubstr("UTF-8"));
}

TEST(LoggingTest, LevelHidesWhatIsBelowIt) {
  MisbehavingService service({"--log_level=warning"});
  TestSession session = service.NewSession();
  EXPECT_FALSE(StepBy(&session, {"raise_sigkill"}).ok());
  ASSERT_EQ(service.Terminate(), 0);
  const std::vector<std::string> lines = Lines(service, kLog);
  EXPECT_THAT(lines, Each(MatchesRegex("[^ ]+ (warning|error  ) .*")));
  EXPECT_THAT(lines, Contains(HasSubstr(" worker failed ")));
}

TEST(LoggingTest, EachSubsystemHasItsLevel) {
  MisbehavingService service({"--log_level=warning,pool=debug"});
  TestSession session = service.NewSession();
  ASSERT_EQ(service.Terminate(), 0);
  const std::vector<std::string> lines = Lines(service, kLog);
  EXPECT_THAT(lines, Contains(MatchesRegex("[^ ]+ debug   pool +worker is ready worker=1 "
                                           "pid=[0-9]+ took=[^ ]+")));
  EXPECT_THAT(lines, Each(MatchesRegex("[^ ]+ (debug   pool|info    pool|warning|error  ) .*")));
}

TEST(LoggingTest, WorkersOutputHasAFileOfItsOwn) {
  MisbehavingService service({"--worker_flags=--start_mode=slow", "--log_level=debug"});
  TestSession session = service.NewSession();
  EXPECT_THAT(service.ReadFile(kWorkersLog), HasSubstr("stderr: starting with start_mode=slow\n"));
  EXPECT_EQ(ModeOf(service.directory() + "/" + kWorkersLog), 0600u);
  EXPECT_THAT(service.ReadFile(kLog), Not(HasSubstr("start_mode=slow")));
}

TEST(LoggingTest, OfTheOutputOnlyABoundedTailIsInAFailure) {
  MisbehavingService service({"--log_format=json", "--step_retries=0"});
  TestSession session = service.NewSession();
  ASSERT_FALSE(StepBy(&session, {"stderr_flood"}).ok());
  const std::vector<Json> failed = WithMessage(ParseLines(service, kLog), "worker failed");
  ASSERT_EQ(failed.size(), 1);
  EXPECT_LE(failed[0]["failure"]["stderr_tail"].get<std::string>().size(), kMaxTail);
  EXPECT_TRUE(
      WaitUntil([&] { return fs::file_size(service.directory() + "/" + kWorkersLog) > 100'000; }));
}

// The number after `name` and '=' in `line`; 0: there is none.
int64_t NumberOf(const std::string& line, const std::string& name) {
  const size_t found = line.find(absl::StrCat(" ", name, "="));
  if (found == std::string::npos) return 0;
  int64_t number = 0;
  const std::string rest = line.substr(found + name.size() + 2);
  EXPECT_TRUE(absl::SimpleAtoi(rest.substr(0, rest.find(' ')), &number)) << line;
  return number;
}

TEST(LoggingTest, ManyFailuresDoNotFillTheLogAndNoneIsForgotten) {
  MisbehavingService service({"--refuse_poisoned_steps=false"});
  TestSession session = service.NewSession();
  ASSERT_TRUE(WaitUntil(
      [&] {
        EXPECT_FALSE(StepBy(&session, {"raise_sigkill"}).ok());
        return service.Metric("holdfast_log_lines_suppressed_total").value_or(0) >= 10;
      },
      absl::Minutes(2)));
  const double failures =
      service.Metric("holdfast_worker_failures_total{cause=\"signal\"}").value_or(0);
  ASSERT_EQ(service.Terminate(), 0);
  int64_t written = 0;
  int64_t suppressed = 0;
  for (const std::string& line : Lines(service, kLog)) {
    if (absl::StrContains(line, " worker failed session=")) {
      ++written;
      suppressed += NumberOf(line, "suppressed");
    } else if (absl::StrContains(line, "repeated=\"worker failed\"")) {
      suppressed += NumberOf(line, "suppressed");
    }
  }
  EXPECT_GE(suppressed, 10);
  EXPECT_EQ(written + suppressed, failures);
}

}  // namespace
}  // namespace holdfast
