#include "frontend/health/probes.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "frontend/fake_clock.h"

namespace holdfast {
namespace {

struct Answer {
  int status;
  std::string body;
};
bool operator==(const Answer& a, const Answer& b) {
  return a.status == b.status && a.body == b.body;
}
void PrintTo(const Answer& answer, std::ostream* out) {
  *out << answer.status << " " << answer.body;
}

Answer Ask(const HttpPage& page, const std::string& query = "") {
  const HttpReply reply = page.answer({page.path, query});
  return {reply.status, reply.body};
}

TEST(ProbesTest, ReadyzTellsTheReason) {
  Readiness readiness;
  const HttpPage page = ReadyzPage(&readiness);
  EXPECT_EQ(page.path, "/readyz");
  EXPECT_EQ(Ask(page), (Answer{503, "starting: no worker has answered yet\n"}));
  readiness.SetReady();
  EXPECT_EQ(Ask(page), (Answer{200, "ready\n"}));
  readiness.SetNotReady("workers cannot be started: no such file");
  EXPECT_EQ(Ask(page), (Answer{503, "not_ready: workers cannot be started: no such file\n"}));
  EXPECT_EQ(Ask(page, "draining=404").status, 503);
  readiness.SetReady();
  EXPECT_EQ(Ask(page), (Answer{200, "ready\n"}));
}

TEST(ProbesTest, ReadyzOfADrainingServiceIs404ForThoseWhoAskForThat) {
  Readiness readiness;
  const HttpPage page = ReadyzPage(&readiness);
  readiness.SetReady();
  EXPECT_EQ(Ask(page, "draining=404").status, 200);
  readiness.SetDraining();
  EXPECT_EQ(Ask(page).status, 503);
  EXPECT_TRUE(absl::StartsWith(Ask(page).body, "draining: "));
  EXPECT_EQ(Ask(page, "draining=404").status, 404);
  EXPECT_EQ(Ask(page, "a=b&draining=404").status, 404);
  EXPECT_EQ(Ask(page, "draining=403").status, 503);
}

TEST(ProbesTest, BothTellOfAThreadThatStandsStill) {
  FakeClock clock;
  Liveness liveness(&clock);
  const HttpPage page = HealthzPage(&liveness);
  EXPECT_EQ(page.path, "/healthz");
  EXPECT_EQ(Ask(page), (Answer{200, "ok\n"}));
  liveness.Start([](absl::AnyInvocable<void()> work) {});
  clock.Advance(absl::Seconds(20));
  EXPECT_EQ(Ask(page), (Answer{503, "the queue's thread has stood still for 20s\n"}));
  Readiness readiness(&liveness);
  readiness.SetReady();
  const Answer stuck = {503, "stuck: the queue's thread has stood still for 20s\n"};
  EXPECT_EQ(Ask(ReadyzPage(&readiness)), stuck);
  readiness.SetDraining();
  EXPECT_EQ(Ask(ReadyzPage(&readiness), "draining=404"), stuck);
}

}  // namespace
}  // namespace holdfast
