#include "frontend/health/probes.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

constexpr int kServiceUnavailable = 503;

HttpReply TextReply(int status, std::string text) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(text);
  return reply;
}

HttpReply AnswerHealthz(const Liveness& liveness) {
  const std::string complaint = liveness.Complaint();
  return complaint.empty() ? TextReply(200, "ok\n")
                           : TextReply(kServiceUnavailable, absl::StrCat(complaint, "\n"));
}

HttpReply AnswerReadyz(const Readiness& readiness, const HttpRequest& request) {
  const Readiness::Snapshot now = readiness.Get();
  if (now.is_ready()) return TextReply(200, "ready\n");
  if (now.is_stuck) return TextReply(kServiceUnavailable, absl::StrCat(now.reason, "\n"));
  const bool is_gone_by_and_by =
      now.state == ReadyState::kDraining && request.Parameter("draining") == "404";
  return TextReply(is_gone_by_and_by ? 404 : kServiceUnavailable,
                   absl::StrCat(ReadyStateName(now.state), ": ", now.reason, "\n"));
}

}  // namespace

HttpPage HealthzPage(const Liveness* liveness) {
  return {"/healthz", "whether the service is alive",
          [liveness](const HttpRequest& /*request*/) { return AnswerHealthz(*liveness); }};
}

HttpPage ReadyzPage(const Readiness* readiness) {
  return {"/readyz", "whether it can serve, and if not why",
          [readiness](const HttpRequest& request) { return AnswerReadyz(*readiness, request); }};
}

}  // namespace holdfast
