// What operators see of a running service, and do to it, with holdfastctl.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "frontend/holdfastctl/table.h"
#include "tests/holdfastctl/operated_service.h"
#include "tests/integration/misbehaving_service.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// What a command prints with --json.
json JsonOf(const OperatedService& service, const std::string& command) {
  const ProgramResult result = service.Ctl(command, {"--json"});
  EXPECT_EQ(result.exit, 0) << result.err;
  json parsed = json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_FALSE(parsed.is_discarded()) << result.out;
  return parsed;
}

void ExpectNarrow(const std::string& text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& line : lines) EXPECT_LE(WidthOf(line), 80) << line;
}

// A service with a session on a program of a long name, in which workers have failed.
class AdminTest : public testing::Test {
 protected:
  AdminTest()
      : service_({"--front_name=front-7", "--warm_workers=2"}),
        uri_(absl::StrCat(u8"benchmark://test/\u4e16\u754c/", std::string(150, 'x'), "/end")),
        session_(service_.service(), uri_, "ok") {
    EXPECT_TRUE(StepBy(&session_, {"noop", "add_one"}).ok());
    EXPECT_FALSE(StepBy(&session_, {"crash"}).ok());
    EXPECT_TRUE(StepBy(&session_, {"add_one"}).ok());
  }

  OperatedService service_;
  const std::string uri_;
  TestSession session_;
};

TEST_F(AdminTest, EachTextFitsAndSaysWhatThereIs) {
  const std::map<std::string, std::vector<std::string>> expected = {
      {"status",
       {"^Holdfast [0-9.]+, front-7 \\(pid [0-9]+\\), up .*: ready\n", "sessions   1: 1 resident\n",
        "build      (GCC|.*[Cc]lang) .*, gRPC [0-9.]+\n", "compiler   misbehaving 1.0\n",
        "Step +3 +[0-9.]+[um]?s +[0-9.]+[um]?s +[0-9.]+[um]?s\n",
        "--worker_memory_limit_bytes +4 GiB +(cgroup_v[12]|watchdog)\n", "last .* ago: SIGSEGV\n",
        "--max_record_bytes +[0-9.]+ [KM]?i?B +4 GiB\n"}},
      {"sessions", {"resident +[0-9]+s +[0-9]+s +3 +[0-9]+ +b[a-z:/]+\\.\\.\\.x+/end\n"}},
      {"workers", {"leased +[0-9]+s .*[0-9]+\n", "leased +SIGSEGV\n"}},
      {"failures", {"SIGSEGV +Step, action 0 +2 +[0-9]+ +b[a-z:/]+\\.\\.\\.x+/end\n"}},
      {"metrics",
       {"holdfast_rpcs_total\\{method=\"Step\",code=\"OK\"\\} +2\n",
        "holdfast_worker_failures_total\\{cause=\"signal\"\\} +2\n"}},
      {"top", {"^Holdfast [0-9.]+, front-7", "\nsteps ", "b[a-z:/]+\\.\\.\\.x+/end\n"}},
      {"health", {"^ready\n$"}},
  };
  for (const auto& [command, texts] : expected) {
    const ProgramResult result = service_.Ctl(command, {"--iterations=1"});
    EXPECT_EQ(result.exit, 0) << command << ": " << result.err;
    ExpectNarrow(result.out);
    for (const std::string& text : texts) {
      EXPECT_THAT(result.out, ContainsRegex(text)) << command;
    }
  }
}

TEST_F(AdminTest, JsonHasAllOfIt) {
  const json status = JsonOf(service_, "status");
  EXPECT_EQ(status["readiness"], "READY");
  EXPECT_EQ(status["pid"], service_.service().pid());
  EXPECT_EQ(status["address"], service_.service().address());
  EXPECT_EQ(status["front_name"], "front-7");
  EXPECT_EQ(status["sessions_by_state"]["resident"], "1");
  EXPECT_EQ(status["sessions_by_state"]["lost"], "0");
  EXPECT_EQ(status["cache"]["benchmarks"], "1");

  const json sessions = JsonOf(service_, "sessions")["sessions"];
  ASSERT_EQ(sessions.size(), 1U);
  EXPECT_EQ(sessions[0]["id"], absl::StrCat(session_.id()));
  EXPECT_EQ(sessions[0]["benchmark"], uri_);
  EXPECT_EQ(sessions[0]["actions"], "3");

  const json workers = JsonOf(service_, "workers");
  std::map<std::string, json> by_id;
  for (const json& worker : workers["workers"]) by_id[worker["id"]] = worker;
  const json& its_worker = by_id[sessions[0]["worker"]];
  EXPECT_EQ(its_worker["session"], sessions[0]["id"]);
  EXPECT_EQ(its_worker["pid"], WorkerOf(&session_));
  EXPECT_GT(std::stoll(its_worker["resident_bytes"].get<std::string>()), 1 << 20);
  EXPECT_EQ(workers["exits"].size(), 2U);
  EXPECT_EQ(workers["exits"][0]["failure"]["signal"], SIGSEGV);

  const json failures = JsonOf(service_, "failures")["failures"];
  ASSERT_EQ(failures.size(), 2U);  // It was tried twice.
  EXPECT_EQ(failures[0]["session"], sessions[0]["id"]);
  EXPECT_EQ(failures[0]["failure"]["cause"], "SIGNAL");
  EXPECT_EQ(failures[0]["failure"]["attempts"], 2);

  EXPECT_EQ(JsonOf(service_, "health")["readiness"], "READY");
  const json metrics = JsonOf(service_, "metrics");
  EXPECT_TRUE(std::any_of(metrics.begin(), metrics.end(), [](const json& sample) {
    return sample["name"] == "holdfast_rpcs_total" && sample["labels"]["method"] == "Step" &&
           sample["labels"]["code"] == "OK" && sample["value"] == 2;
  }));
  EXPECT_THAT(service_.Ctl("metrics", {"--raw"}).out, HasSubstr("# TYPE holdfast_ready gauge\n"));
}

TEST_F(AdminTest, ASessionOutlivesTheKillOfItsWorker) {
  const json sessions = JsonOf(service_, "sessions")["sessions"];
  const std::string worker = sessions[0]["worker"];
  const ProgramResult result = service_.Ctl("kill-worker", {worker});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out, StartsWith(absl::StrCat("killed worker ", worker, " (pid ")));
  EXPECT_TRUE(WaitUntil([&] {
    return service_.service().Metric("holdfast_worker_failures_total{cause=\"signal\"}") == 3;
  }));
  ExpectState(&session_, "noop,add_one,add_one = 2");
  // It is gone.
  const ProgramResult again = service_.Ctl("kill-worker", {worker});
  EXPECT_EQ(again.exit, 1);
  EXPECT_THAT(again.err, HasSubstr(absl::StrCat("worker is ", worker, ", must be the id of one")));
}

TEST_F(AdminTest, TheLogIsReadAndFollowed) {
  const ProgramResult last = service_.Ctl("log", {"--lines=1"});
  EXPECT_EQ(last.exit, 0) << last.err;
  EXPECT_EQ(std::count(last.out.begin(), last.out.end(), '\n'), 1) << last.out;
  EXPECT_EQ(service_.Ctl("log", {"--lines=0"}).out, "");
  EXPECT_EQ(service_.Ctl("log", {"--lines=10000"}).out,
            service_.service().ReadFile("logs/holdfast.log"));

  RunningProgram follower(service_.CtlCommand("log", {"--lines=1", "--follow"}));
  ASSERT_TRUE(WaitUntil([&] { return !follower.out().empty(); })) << follower.err();
  EXPECT_THAT(follower.out(), Not(HasSubstr("operator")));
  const json workers = JsonOf(service_, "workers")["workers"];
  const std::string worker = workers[0]["id"];
  EXPECT_EQ(service_.Ctl("kill-worker", {worker}).exit, 0);
  const std::string line = absl::StrCat("worker is killed by an operator's order worker=", worker,
                                        " pid=", workers[0]["pid"].dump(), "\n");
  EXPECT_TRUE(WaitUntil([&] { return absl::StrContains(follower.out(), line); })) << follower.out();
  // It ends with the service.
  EXPECT_EQ(service_.service().Terminate(), 0);
  EXPECT_EQ(follower.Wait(), 0) << follower.err();
  EXPECT_THAT(follower.out(), HasSubstr("ending sessions sessions=1\n"));
}

TEST_F(AdminTest, TopShowsABlockForEachAnswer) {
  const ProgramResult result = service_.Ctl("top", {"--iterations=3", "--interval=100ms"});
  EXPECT_EQ(result.exit, 0) << result.err;
  ExpectNarrow(result.out);
  EXPECT_THAT(result.out, Not(HasSubstr("\033")));
  const std::vector<std::string> blocks = absl::StrSplit(result.out, "Holdfast ");
  ASSERT_EQ(blocks.size(), 4U) << result.out;
  EXPECT_EQ(blocks[0], "");
  EXPECT_THAT(blocks[1], HasSubstr("steps -/s"));
  EXPECT_THAT(blocks[3], HasSubstr("steps 0/s, recoveries 0/s, failures 0/s"));
  const ProgramResult lines = service_.Ctl("top", {"--iterations=2", "--interval=100ms", "--json"});
  const std::vector<std::string> objects = absl::StrSplit(lines.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(objects.size(), 2U);
  EXPECT_EQ(json::parse(objects[1])["readiness"], "READY");
}

// holdfastctl on a terminal of its own.
class Terminal {
 public:
  Terminal(const std::vector<std::string>& arguments, int rows, int columns) {
    std::vector<char*> argv;
    for (const std::string& word : arguments) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    winsize size{};
    size.ws_row = static_cast<unsigned short>(rows);     // NOLINT(google-runtime-int): as there.
    size.ws_col = static_cast<unsigned short>(columns);  // NOLINT(google-runtime-int)
    pid_ = forkpty(&fd_, nullptr, nullptr, &size);
    if (pid_ == 0) {
      execv(argv[0], argv.data());
      _exit(127);
    }
    EXPECT_GT(pid_, 0);
    tcgetattr(fd_, &modes_);
  }
  ~Terminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(fd_);
  }

  void Type(const std::string& keys) const {
    EXPECT_EQ(write(fd_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  // Reads until it has shown that, or has ended.
  bool AwaitText(const std::string& text, int times = 1) {
    char buffer[4096];
    while (Count(text) < times) {
      const ssize_t count = read(fd_, buffer, sizeof(buffer));
      if (count <= 0) return false;
      text_.append(buffer, count);
    }
    return true;
  }
  const std::string& text() const { return text_; }
  bool HasSameModes() const {
    termios now{};
    tcgetattr(fd_, &now);
    return now.c_lflag == modes_.c_lflag && now.c_iflag == modes_.c_iflag &&
           now.c_oflag == modes_.c_oflag;
  }
  int Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = 0;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  int Count(const std::string& text) const {
    int count = 0;
    for (size_t at = text_.find(text); at != std::string::npos; at = text_.find(text, at + 1)) {
      ++count;
    }
    return count;
  }

  int fd_ = -1;
  pid_t pid_ = 0;
  termios modes_{};
  std::string text_;
};

TEST_F(AdminTest, TopDrawsInPlaceUntilCtrlC) {
  constexpr int kRows = 12;
  Terminal terminal(service_.CtlCommand("top", {"--interval=100ms"}), kRows, 60);
  ASSERT_TRUE(terminal.AwaitText("\033[J", 3)) << terminal.text();
  EXPECT_TRUE(terminal.HasSameModes());
  terminal.Type("\003");
  EXPECT_EQ(terminal.Wait(), 0);
  EXPECT_TRUE(terminal.HasSameModes());
  const std::vector<std::string> screens = absl::StrSplit(terminal.text(), "\033[H");
  ASSERT_GE(screens.size(), 4U);
  EXPECT_EQ(screens[0], "\033[2J");
  EXPECT_THAT(screens[3], StartsWith("Holdfast "));
  std::vector<std::string> lines = absl::StrSplit(screens[3], "\033[K\r\n");
  EXPECT_EQ(lines.size(), static_cast<size_t>(kRows));  // The last is the cursor's.
  EXPECT_THAT(lines.back(), StartsWith("\033[J"));
  lines.pop_back();
  for (const std::string& line : lines) {
    EXPECT_LE(WidthOf(line), 60) << line;
    EXPECT_THAT(line, Not(HasSubstr("\033")));
  }
  // Nothing that would have to be undone: no other screen, no hidden cursor.
  EXPECT_THAT(terminal.text(), Not(HasSubstr("\033[?")));
}

TEST_F(AdminTest, TopUsesTheHeightThereIs) {
  for (int i = 0; i < 12; ++i) TestSession(service_.service(), "benchmark://test/ok", "ok");
  Terminal terminal(service_.CtlCommand("top", {"--iterations=1"}), 50, 200);
  ASSERT_TRUE(terminal.AwaitText("\033[J")) << terminal.text();
  EXPECT_EQ(terminal.Wait(), 0);
  const std::vector<std::string> lines = absl::StrSplit(terminal.text(), "\033[K\r\n");
  EXPECT_GT(lines.size(), 24U);
  EXPECT_LE(lines.size(), 50U);
}

TEST(DrainTest, ReadinessGoesFirstAndSessionsGoOn) {
  OperatedService service({"--session_drain_timeout=60s"});
  TestSession session = service.service().NewSession();
  RunningProgram drain(service.CtlCommand("drain", {"--wait"}));
  EXPECT_TRUE(WaitUntil([&] { return absl::StrContains(drain.out(), "1 sessions\n"); }))
      << drain.err();
  const ProgramResult health = service.Ctl("health");
  EXPECT_EQ(health.exit, 1);
  EXPECT_THAT(health.out, StartsWith("draining: "));
  EXPECT_EQ(JsonOf(service, "status")["readiness"], "DRAINING");
  EXPECT_EQ(service.Ctl("drain").exit, 0);  // Again: nothing more happens.
  EXPECT_TRUE(StepBy(&session, {"add_one"}).ok());
  ExpectState(&session, "add_one = 1");
  EXPECT_EQ(session.End(), 0);
  EXPECT_EQ(service.service().Wait(), 0);
  EXPECT_EQ(drain.Wait(), 0) << drain.err();
  EXPECT_THAT(drain.out(), testing::EndsWith("the service has ended\n"));
}

TEST(TwoServicesTest, EachAnswersForItself) {
  OperatedService one({"--front_name=one"});
  OperatedService two({"--front_name=two"});
  EXPECT_EQ(JsonOf(one, "status")["pid"], one.service().pid());
  EXPECT_EQ(JsonOf(two, "status")["pid"], two.service().pid());
  EXPECT_EQ(one.Ctl("drain", {"--wait"}).exit, 0);
  EXPECT_EQ(one.service().Wait(), 0);
  EXPECT_EQ(one.Ctl("health").exit, 2);
  EXPECT_EQ(two.Ctl("health").exit, 0);
}

}  // namespace
}  // namespace holdfast
