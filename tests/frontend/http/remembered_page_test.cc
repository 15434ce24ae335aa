#include "frontend/http/remembered_page.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"

namespace holdfast {
namespace {

// Tells how often it was made.
HttpPage Counter(std::atomic<int>* made) {
  return {"/counter", "how often", [made](const HttpRequest& /*request*/) {
            return HttpReply{200, "text/plain", absl::StrCat(++*made), {{"X-Made", "yes"}}};
          }};
}

TEST(RememberedPageTest, IsMadeOnceAndAnswersAlike) {
  std::atomic<int> made{0};
  const HttpPage page = RememberPage(Counter(&made), absl::Hours(1));
  EXPECT_EQ(page.path, "/counter");
  EXPECT_EQ(page.about, "how often");
  for (int i = 0; i < 3; ++i) {
    const HttpReply reply = page.answer({});
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.content_type, "text/plain");
    EXPECT_EQ(reply.body, "1");
    EXPECT_EQ(reply.headers.size(), 1u);
  }
}

TEST(RememberedPageTest, IsMadeAnewWhenItIsOld) {
  std::atomic<int> made{0};
  const HttpPage page = RememberPage(Counter(&made), absl::Milliseconds(20));
  EXPECT_EQ(page.answer({}).body, "1");
  absl::SleepFor(absl::Milliseconds(30));
  EXPECT_EQ(page.answer({}).body, "2");
}

TEST(RememberedPageTest, ManyWhoAskAtOnceShareOne) {
  std::atomic<int> made{0};
  absl::Notification go_on;
  const HttpPage counter = Counter(&made);
  const HttpPage page = RememberPage({"/slow", "",
                                      [&](const HttpRequest& request) {
                                        go_on.WaitForNotification();
                                        return counter.answer(request);
                                      }},
                                     absl::Hours(1));
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&page] { EXPECT_EQ(page.answer({}).body, "1"); });
  }
  absl::SleepFor(absl::Milliseconds(20));
  go_on.Notify();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(made, 1);
}

}  // namespace
}  // namespace holdfast
