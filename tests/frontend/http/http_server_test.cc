#include "frontend/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/frontend/http/http_test_client.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::unique_ptr<HttpServer> MustStart(std::vector<HttpPage> pages,
                                      const std::string& listen = "127.0.0.1:0") {
  absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(listen, std::move(pages));
  EXPECT_TRUE(server.ok()) << server.status();
  return server.ok() ? *std::move(server) : nullptr;
}

HttpPage Echo() {
  return {"/echo", "what was asked", [](const HttpRequest& request) {
            HttpReply reply;
            reply.body =
                absl::StrCat(request.path, "|", request.query, "|", request.Parameter("key"));
            return reply;
          }};
}

// Says a thing that takes long: until it is told to go on.
struct SlowPage {
  HttpPage page() {
    return {"/slow", "takes long", [this](const HttpRequest& /*request*/) {
              asked.Notify();
              go_on.WaitForNotification();
              return HttpReply();
            }};
  }
  absl::Notification asked;
  absl::Notification go_on;
};

ptrdiff_t Threads() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                       std::filesystem::directory_iterator());
}

TEST(HttpServerTest, AnswersWithWhatThePageSays) {
  const auto server = MustStart(
      {Echo(), {"/made", "of everything", [](const HttpRequest& /*request*/) {
                  return HttpReply{503, "text/html", "<p>", {{"Content-Security-Policy", "x"}}};
                }}});
  const HttpAnswer echo = HttpGet(server->port(), "/echo");
  EXPECT_THAT(echo.head, StartsWith("HTTP/1.1 200 OK"));
  EXPECT_EQ(echo.body, "/echo||");
  EXPECT_EQ(echo.Header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(echo.Header("Content-Length"), "7");
  EXPECT_EQ(echo.Header("Cache-Control"), "no-store");
  EXPECT_EQ(echo.Header("X-Content-Type-Options"), "nosniff");
  const HttpAnswer made = HttpGet(server->port(), "/made");
  EXPECT_THAT(made.head, StartsWith("HTTP/1.1 503 Service Unavailable"));
  EXPECT_EQ(made.body, "<p>");
  EXPECT_EQ(made.Header("Content-Type"), "text/html");
  EXPECT_EQ(made.Header("Content-Security-Policy"), "x");
  EXPECT_EQ(made.Header("Cache-Control"), "no-store");
}

TEST(HttpServerTest, QueriesAreDecoded) {
  const auto server = MustStart({Echo()});
  EXPECT_EQ(HttpGet(server->port(), "/echo?key=1").body, "/echo|key=1|1");
  EXPECT_EQ(HttpGet(server->port(), "/echo?other=2&key=a%20b").body, "/echo|other=2&key=a%20b|a b");
  EXPECT_EQ(HttpGet(server->port(), "/echo?keys=3").body, "/echo|keys=3|");
  EXPECT_EQ(HttpGet(server->port(), "/%65cho?").body, "/echo||");
}

TEST(HttpServerTest, HeadHasNoBody) {
  const auto server = MustStart({Echo()});
  const HttpAnswer answer = HttpCall(server->port(), "HEAD", "/echo");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Header("Content-Length"), "7");
  EXPECT_EQ(answer.body, "");
}

TEST(HttpServerTest, NothingElseIsServed) {
  const auto server = MustStart({Echo()});
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"}) {
    const HttpAnswer answer = HttpCall(server->port(), method, "/echo");
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_EQ(answer.Header("Allow"), "GET, HEAD") << method;
    EXPECT_EQ(answer.Header("Cache-Control"), "no-store");
  }
  for (const char* target : {"/nothing", "/echo/", "/echo/more", "/ech", "/../etc/passwd",
                             "/etc/passwd", "/%2e%2e/etc/passwd", "/metrics.cgi", "/index.html"}) {
    const HttpAnswer answer = HttpGet(server->port(), target);
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_THAT(answer.body, HasSubstr("/echo  what was asked\n")) << target;
    EXPECT_THAT(answer.body, Not(HasSubstr("root:"))) << target;
    EXPECT_EQ(answer.Header("Cache-Control"), "no-store");
  }
  // None of these is a request for a path; what matters is that the server goes on.
  for (const char* target : {"*", "http://elsewhere.example/echo", "", "echo"}) {
    EXPECT_NE(HttpCall(server->port(), "OPTIONS", target).status, 200) << target;
  }
  EXPECT_EQ(HttpGet(server->port(), "/echo").status, 200);
}

TEST(HttpServerTest, ListsItsPages) {
  const auto server = MustStart({Echo(), {"/b", "another", nullptr}});
  const HttpAnswer answer = HttpGet(server->port(), "/");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "/echo  what was asked\n/b  another\n");
}

TEST(HttpServerTest, SlowPageDelaysNoOther) {
  SlowPage slow;
  const auto server = MustStart({Echo(), slow.page()});
  std::thread slow_client([&] { EXPECT_EQ(HttpGet(server->port(), "/slow").status, 200); });
  slow.asked.WaitForNotification();
  EXPECT_EQ(HttpGet(server->port(), "/echo").status, 200);
  slow.go_on.Notify();
  slow_client.join();
}

TEST(HttpServerTest, HasFewThreads) {
  const ptrdiff_t before = Threads();
  auto server = MustStart({Echo()});
  EXPECT_EQ(HttpGet(server->port(), "/echo").status, 200);
  EXPECT_LE(Threads(), before + HttpServer::kThreads + 1);
  server.reset();
  EXPECT_EQ(Threads(), before);
}

TEST(HttpServerTest, EndsAtOnceWhereverItListens) {
  for (const char* listen : {"127.0.0.1:0", "0.0.0.0:0", "localhost:0"}) {
    absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(listen, {Echo()});
    ASSERT_TRUE(server.ok()) << server.status();
    const int port = (*server)->port();
    EXPECT_GT(port, 0);
    const absl::Time start = absl::Now();
    server->reset();
    EXPECT_LT(absl::Now() - start, absl::Milliseconds(1500)) << listen;
    EXPECT_EQ(HttpGet(port, "/echo").status, 0);
  }
}

TEST(HttpServerTest, EndsAlthoughConnectionsAreOpen) {
  auto server = MustStart({Echo()});
  std::vector<UniqueFd> connections;
  for (int i = 0; i < 10; ++i) connections.push_back(ConnectToPort(server->port()));
  // And one in the middle of its request.
  const std::string half = "GET /echo HTTP/1.1\r\nHost:";
  ASSERT_EQ(write(connections[0].get(), half.data(), half.size()),
            static_cast<ssize_t>(half.size()));
  const absl::Time start = absl::Now();
  server.reset();
  // One after another, each would be dropped after two seconds only.
  EXPECT_LT(absl::Now() - start, absl::Seconds(4));
}

TEST(HttpServerTest, SomeWhoNeverAskDelayNobody) {
  const auto server = MustStart({Echo()});
  std::vector<UniqueFd> connections;
  for (int i = 0; i < 12; ++i) connections.push_back(ConnectToPort(server->port()));
  const absl::Time start = absl::Now();
  EXPECT_EQ(HttpGet(server->port(), "/echo").status, 200);
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(1900)) << "they are dropped after two seconds";
}

TEST(HttpServerTest, ManyWhoNeverAskAreDropped) {
  const auto server = MustStart({Echo()});
  std::vector<UniqueFd> connections;
  for (int i = 0; i < 24; ++i) connections.push_back(ConnectToPort(server->port()));
  const absl::Time start = absl::Now();
  EXPECT_EQ(HttpGet(server->port(), "/echo").status, 200);
  EXPECT_LT(absl::Now() - start, absl::Seconds(5)) << "two rounds of two seconds";
}

TEST(HttpServerTest, EndWaitsForPagesThatAreBeingAnswered) {
  SlowPage slow;
  auto server = MustStart({slow.page()});
  const int port = server->port();
  std::thread client([&] { HttpGet(port, "/slow"); });
  slow.asked.WaitForNotification();
  absl::Notification ended;
  std::thread ender([&] {
    server.reset();
    ended.Notify();
  });
  EXPECT_FALSE(ended.WaitForNotificationWithTimeout(absl::Milliseconds(100)));
  slow.go_on.Notify();
  client.join();
  ender.join();
}

TEST(HttpServerTest, AddressesThatAreNone) {
  for (const char* listen :
       {"", ":", "8080", ":8080", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:+1", "127.0.0.1:443s", "127.0.0.1:0,127.0.0.1:0", "127.0.0.1: 1", "[::1]:0",
        "[::]:0", "no-such-host.invalid:0"}) {
    const absl::Status status = HttpServer::Start(listen, {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << listen;
    EXPECT_THAT(std::string(status.message()),
                StartsWith(absl::StrCat("--metrics_listen=", listen, ": ")));
  }
}

TEST(HttpServerTest, AddressesThatCannotBeHad) {
  auto first = MustStart({});
  const int port = first->port();
  const std::string taken = absl::StrCat("127.0.0.1:", port);
  for (const std::string& listen : {taken, std::string("192.0.2.1:0")}) {
    const absl::Status status = HttpServer::Start(listen, {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << listen;
    EXPECT_THAT(std::string(status.message()), HasSubstr("--metrics_listen=" + listen));
  }
  EXPECT_THAT(std::string(HttpServer::Start(taken, {}).status().message()), HasSubstr("in use"));
  first.reset();
  EXPECT_EQ(MustStart({}, taken)->port(), port);
}

TEST(HttpServerTest, SaysNothingOnStdout) {
  testing::internal::CaptureStdout();
  {
    const auto server = MustStart({Echo()});
    HttpGet(server->port(), "/echo");
    HttpGet(server->port(), "/nothing");
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

}  // namespace
}  // namespace holdfast
