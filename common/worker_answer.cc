#include "common/worker_answer.h"

#include <algorithm>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace holdfast {
namespace {

// "3", "3 clean", "3 error" or "3 clean error".
constexpr absl::string_view kCleanSuffix = " clean";
constexpr absl::string_view kErrorSuffix = " error";

}  // namespace

void AddToTrailers(const WorkerAnswer& answer, grpc::ServerContext* context) {
  std::string value = absl::StrCat(answer.actions_applied, answer.clean ? kCleanSuffix : "",
                                   answer.is_error ? kErrorSuffix : "");
  context->AddTrailingMetadata(kWorkerAnswerKey, value);
  if (!answer.fingerprint.empty()) {
    context->AddTrailingMetadata(kWorkerFingerprintKey, answer.fingerprint);
  }
}

absl::optional<WorkerAnswer> FromTrailers(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto found = trailers.find(kWorkerAnswerKey);
  if (found == trailers.end()) return absl::nullopt;
  absl::string_view text(found->second.data(), found->second.size());
  WorkerAnswer answer;
  answer.is_error = absl::ConsumeSuffix(&text, kErrorSuffix);
  answer.clean = absl::ConsumeSuffix(&text, kCleanSuffix);
  if (!absl::SimpleAtoi(text, &answer.actions_applied) || answer.actions_applied < 0) {
    return absl::nullopt;
  }
  const auto fingerprint = trailers.find(kWorkerFingerprintKey);
  if (fingerprint != trailers.end()) {
    answer.fingerprint.assign(fingerprint->second.data(),
                              std::min(fingerprint->second.size(), kMaxFingerprintBytes));
  }
  return answer;
}

}  // namespace holdfast
