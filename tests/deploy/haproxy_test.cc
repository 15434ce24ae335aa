// Three services behind HAProxy, each a host of its own, as deploy/haproxy/haproxy.cfg has it: by
// their addresses, and by their names in DNS, as in Kubernetes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/deploy/network.h"
#include "tests/deploy/session_client.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using testing::AnyOf;
using testing::Each;

constexpr int kFronts = 3;
constexpr int kClients = 64;
constexpr absl::Duration kDrainTime = absl::Seconds(15);
// From SIGTERM until HAProxy has noticed: two checks, and what a busy machine adds.
constexpr absl::Duration kNotice = absl::Seconds(5);

constexpr char kDomain[] = ".fronts.test";

enum class Found { kByAddress, kByName };

class HaproxyTest : public testing::TestWithParam<Found> {
 protected:
  // Before gRPC has threads.
  static void SetUpTestSuite() { EnterOwnNetwork(); }

  HaproxyTest() {
    for (int i = 1; i <= kFronts; ++i) StartFront(i);
    StartHaproxy();
    for (int i = 1; i <= kFronts; ++i) AwaitReadiness(i, "200");
    for (const char* port : {":50051", ":50052"}) {
      EXPECT_TRUE(WaitUntil([&] {
        return GetSpaces(ConnectTo(absl::StrCat("127.0.0.1", port)).get()).ok();
      })) << haproxy_->err();
    }
  }

  void StartHaproxy() {
    std::vector<std::string> command = {"haproxy", "-db", "-f",
                                        RunfilePath("deploy/haproxy/haproxy.cfg")};
    RunningProgram::Surroundings surroundings;
    surroundings.environment = {"LISTEN=127.0.0.1"};
    if (GetParam() == Found::kByAddress) {
      for (int i = 1; i <= kFronts; ++i) {
        surroundings.environment.push_back(absl::StrCat("FRONT_", i, "=", AddressOf(i)));
      }
      haproxy_ = absl::make_unique<RunningProgram>(command, surroundings);
      return;
    }
    StartDns();
    surroundings.environment.push_back(absl::StrCat("FRONTS_DOMAIN=", kDomain));
    // With a resolv.conf of its own.
    const std::string script = "mount --bind \"$0\" /etc/resolv.conf; exec \"$@\"";
    command.insert(command.begin(),
                   {"unshare", "--mount", "sh", "-ec", script, directory_ / "resolv.conf"});
    haproxy_ = absl::make_unique<RunningProgram>(command, surroundings);
    for (int i = 1; i <= kFronts; ++i) {
      const std::string found = absl::StrCat("calls/", NameOf(i), " administratively READY");
      EXPECT_TRUE(WaitUntil([&] { return absl::StrContains(haproxy_->err(), found); }))
          << dns_->err() << haproxy_->err();
    }
  }

  void StartDns() {
    std::ofstream(directory_ / "resolv.conf") << "nameserver 127.0.0.1\n";
    std::ofstream hosts(directory_ / "hosts");
    for (int i = 1; i <= kFronts; ++i) hosts << AddressOf(i) << " " << NameOf(i) << kDomain << "\n";
    hosts.close();
    dns_ = absl::make_unique<RunningProgram>(std::vector<std::string>{
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--user=root", "--no-resolv",
        "--no-hosts", absl::StrCat("--addn-hosts=", directory_ / "hosts"), "--local=//",
        "--listen-address=127.0.0.1", "--bind-interfaces"});
  }

  static std::string NameOf(int number) { return absl::StrCat("holdfast-", number); }

  void StartFront(int number) {
    fronts_[number].reset();
    fronts_[number] = StartOnHost(
        number, {RunfilePath("worker/example/example_worker"),
                 absl::StrCat("--front_name=", NameOf(number)),
                 absl::StrCat("--session_drain_timeout=", absl::FormatDuration(kDrainTime)),
                 "--listen=0.0.0.0:50051", "--metrics_listen=0.0.0.0:9464", "--warm_workers=4",
                 absl::StrCat("--working_dir=", directory_ / NameOf(number))});
  }

  // The status of /readyz, "000" without an answer.
  static std::string ReadinessOf(int number) {
    return RunProgram({"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2",
                       absl::StrCat("http://", AddressOf(number), ":9464/readyz")})
        .out;
  }
  static void AwaitReadiness(int number, const std::string& code) {
    EXPECT_TRUE(WaitUntil([&] { return ReadinessOf(number) == code; }, absl::Seconds(60)))
        << NameOf(number) << " is not " << code << " but " << ReadinessOf(number);
  }

  // Half of them by connection, half by call.
  void StartClients() {
    for (int i = 0; i < kClients; ++i) {
      const bool names_front = i % 2 == 1;
      clients_.push_back(absl::make_unique<SessionClient>(
          names_front ? "127.0.0.1:50052" : "127.0.0.1:50051", names_front));
    }
  }
  std::map<std::string, int> SessionsByFront() const {
    std::map<std::string, int> sessions;
    for (const auto& client : clients_) ++sessions[client->front()];
    return sessions;
  }
  // So many more steps, by each client.
  void AwaitSteps(int64_t count) {
    std::vector<int64_t> goals;
    for (const auto& client : clients_) goals.push_back(client->steps() + count);
    EXPECT_TRUE(WaitUntil(
        [&] {
          for (size_t i = 0; i < clients_.size(); ++i) {
            if (clients_[i]->steps() < goals[i]) return false;
          }
          return true;
        },
        absl::Minutes(2)));
  }
  std::vector<SessionClient::Failure> Failures() const {
    std::vector<SessionClient::Failure> failures;
    for (const auto& client : clients_) {
      for (const auto& failure : client->failures()) failures.push_back(failure);
    }
    return failures;
  }

  const TemporaryDirectory directory_;
  std::map<int, std::unique_ptr<RunningProgram>> fronts_;
  std::unique_ptr<RunningProgram> dns_;
  std::unique_ptr<RunningProgram> haproxy_;
  std::vector<std::unique_ptr<SessionClient>> clients_;
};

TEST_P(HaproxyTest, FrontsDrainAndDieAndTheOthersGoOn) {
  StartClients();
  AwaitSteps(10);
  EXPECT_EQ(Failures().size(), 0u);
  for (int i = 1; i <= kFronts; ++i) {
    EXPECT_GT(SessionsByFront()[NameOf(i)], kClients / 10) << NameOf(i) << " has hardly any";
  }

  // One drains. Its sessions go on, and what is started by call goes elsewhere.
  const absl::Time drain = absl::Now();
  fronts_[1]->Signal(SIGTERM);
  AwaitReadiness(1, "503");
  EXPECT_EQ(fronts_[1]->Wait(kDrainTime + absl::Minutes(1)), 0);
  const absl::Duration took = absl::Now() - drain;
  std::cout << "the drain took " << took << "\n";
  AwaitSteps(10);
  for (const auto& failure : Failures()) {
    // Who has lost its session there may ask there once more, if its connection is still open.
    const bool is_of_drained = failure.front == NameOf(1) ||
                               absl::StrContains(failure.what, "the service is shutting down");
    EXPECT_TRUE(is_of_drained && failure.time - drain >= kDrainTime)
        << "a client of " << (failure.front.empty() ? "no front" : failure.front) << ", "
        << failure.time - drain << " after the drain began: " << failure.what;
  }
  std::cout << Failures().size() << " calls failed, of the drained service past its time\n";
  for (size_t i = 1; i < clients_.size(); i += 2) {
    EXPECT_THAT(clients_[i]->FrontsSince(drain + kNotice), Each(AnyOf(NameOf(2), NameOf(3))));
  }
  EXPECT_EQ(SessionsByFront()[NameOf(1)], 0);

  // It comes back, and gets sessions again.
  StartFront(1);
  AwaitReadiness(1, "200");
  EXPECT_TRUE(WaitUntil([&] { return SessionsByFront()[NameOf(1)] > 0; }, absl::Minutes(1)));

  // Another dies. The sessions of the others do not notice.
  const absl::Time death = absl::Now();
  fronts_[2]->Signal(SIGKILL);
  fronts_[2]->Wait();
  AwaitSteps(10);
  for (const auto& failure : Failures()) {
    if (failure.time < death) continue;
    EXPECT_TRUE(failure.front == NameOf(2) ||
                (failure.front.empty() && failure.time - death < kNotice))
        << "a client of " << failure.front << ", " << failure.time - death
        << " after the death: " << failure.what;
  }
  EXPECT_EQ(SessionsByFront()[NameOf(2)], 0);
  clients_.clear();
  for (const int number : {1, 3}) {
    fronts_[number]->Signal(SIGTERM);
    fronts_[number]->Signal(SIGTERM);
    EXPECT_EQ(fronts_[number]->Wait(), 0) << "twice: it need not wait";
  }
}

INSTANTIATE_TEST_SUITE_P(Fronts, HaproxyTest, testing::Values(Found::kByAddress, Found::kByName),
                         [](const testing::TestParamInfo<Found>& info) {
                           return info.param == Found::kByName ? "ByName" : "ByAddress";
                         });

}  // namespace
}  // namespace holdfast
