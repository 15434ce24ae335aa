#include "frontend/admin/status_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/time.h"
#include "frontend/admin/proto_time.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kId = 1311768467294899695;

admin::ServiceStatus SomeStatus() {
  admin::ServiceStatus status;
  const absl::Time now = absl::FromUnixSeconds(1'000'000);
  *status.mutable_time() = ToProto(now);
  *status.mutable_start_time() = ToProto(now - absl::Seconds(200));
  status.set_build("GCC 12, gRPC 1.51");
  status.set_readiness(admin::ServiceStatus::NOT_READY);
  status.set_reason("the binary is <gone>");
  admin::Session* session = status.add_sessions();
  session->set_id(kId);
  session->set_benchmark("benchmark://x/<script>alert('1')</script>&\"");
  session->set_actions(17);
  *session->mutable_start_time() = ToProto(now - absl::Seconds(59));
  admin::Worker* worker = status.add_workers();
  worker->set_id(3);
  worker->set_session(kId);
  worker->set_resident_bytes(52 << 20);
  *worker->mutable_start_time() = ToProto(now);
  admin::Failure* failure = status.add_failures();
  failure->set_session(kId);
  failure->mutable_failure()->set_cause(WorkerFailure::SIGNAL);
  failure->mutable_failure()->set_signal(6);
  failure->mutable_failure()->set_stderr_tail("int secret(void);");
  *failure->mutable_time() = ToProto(now - absl::Seconds(2));
  admin::Latency* latency = status.add_latencies();
  latency->set_method("Step");
  latency->set_calls(42);
  *latency->mutable_p99() = ToProto(absl::Microseconds(870));
  return status;
}

HttpReply Get(const std::string& path) {
  for (const HttpPage& page : StatusPages(SomeStatus)) {
    if (page.path == path) return page.answer({path, ""});
  }
  ADD_FAILURE() << "no page " << path;
  return {};
}

TEST(StatusPageTest, ShowsWhatThereIs) {
  const std::string html = Get("/statusz").body;
  EXPECT_THAT(html,
              AllOf(HasSubstr(">not ready<"), HasSubstr(">3m20s<"), HasSubstr(">52 MiB<"),
                    HasSubstr("(GCC 12, gRPC 1.51)"), HasSubstr(">59s<"), HasSubstr(">17<"),
                    HasSubstr(">870us<"), HasSubstr("…99695"), HasSubstr("killed by signal 6")));
}

TEST(StatusPageTest, EscapesWhatComesFromElsewhere) {
  const std::string html = Get("/statusz").body;
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, Not(HasSubstr("<gone>")));
  EXPECT_THAT(html, HasSubstr("benchmark://x/&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"));
}

TEST(StatusPageTest, TellsNoSecrets) {
  for (const char* path : {"/statusz", "/statusz.json"}) {
    const std::string body = Get(path).body;
    EXPECT_THAT(body, Not(HasSubstr("secret(void)"))) << path;
    EXPECT_THAT(body, Not(HasSubstr(std::to_string(kId)))) << path;
  }
}

TEST(StatusPageTest, ManyReadersCostNoMoreThanOne) {
  int collected = 0;
  for (const HttpPage& page : StatusPages([&collected] {
         ++collected;
         return SomeStatus();
       })) {
    for (int i = 0; i < 10; ++i) page.answer({page.path, ""});
  }
  EXPECT_LE(collected, 4) << "once for each of two pages, and once more if the machine is slow";
}

TEST(StatusPageTest, NeedsNothingFromElsewhere) {
  const HttpReply reply = Get("/statusz");
  EXPECT_THAT(reply.body, Not(HasSubstr("http://")));
  EXPECT_THAT(reply.body, Not(HasSubstr("https://")));
  ASSERT_EQ(reply.headers.size(), 1u);
  EXPECT_EQ(reply.headers[0].first, "Content-Security-Policy");
  EXPECT_THAT(reply.headers[0].second, HasSubstr("default-src 'none'"));
}

TEST(StatusPageTest, JsonHasTheSame) {
  const HttpReply reply = Get("/statusz.json");
  EXPECT_EQ(reply.content_type, "application/json");
  const auto json = nlohmann::json::parse(reply.body);
  EXPECT_EQ(json["readiness"], "NOT_READY");
  EXPECT_EQ(json["sessions"][0]["actions"], "17");
  EXPECT_EQ(json["workers"][0]["resident_bytes"], std::to_string(52 << 20));
  EXPECT_EQ(json["failures"][0]["failure"]["cause"], "SIGNAL");
  EXPECT_EQ(json["waiting_requests"], 0) << "zeros are there, too";
}

}  // namespace
}  // namespace holdfast
