#include "common/worker_answer.h"

#include <algorithm>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace holdfast {
namespace {

// "3", "3 clean", "3 error" or "3 clean error"; with the time of the actions, "3 120us clean".
constexpr absl::string_view kMicrosSuffix = "us";
constexpr absl::string_view kCleanSuffix = " clean";
constexpr absl::string_view kErrorSuffix = " error";

}  // namespace

void AddToTrailers(const WorkerAnswer& answer, grpc::ServerContext* context) {
  context->AddTrailingMetadata(kWorkerAnswerKey, FormatWorkerAnswer(answer));
  if (!answer.fingerprint.empty()) {
    context->AddTrailingMetadata(kWorkerFingerprintKey, answer.fingerprint);
  }
}

absl::optional<WorkerAnswer> FromTrailers(const grpc::ClientContext& context) {
  const auto& trailers = context.GetServerTrailingMetadata();
  const auto mark = trailers.find(kWorkerAnswerKey);
  if (mark == trailers.end()) return absl::nullopt;
  absl::optional<WorkerAnswer> answer =
      ParseWorkerAnswer(absl::string_view(mark->second.data(), mark->second.size()));
  const auto fingerprint = trailers.find(kWorkerFingerprintKey);
  if (answer.has_value() && fingerprint != trailers.end()) {
    answer->fingerprint.assign(fingerprint->second.data(),
                               std::min(fingerprint->second.size(), kMaxFingerprintBytes));
  }
  return answer;
}

std::string FormatWorkerAnswer(const WorkerAnswer& answer) {
  std::string time;
  if (answer.action_time.has_value()) {
    time = absl::StrCat(" ", absl::ToInt64Microseconds(*answer.action_time), kMicrosSuffix);
  }
  return absl::StrCat(answer.actions_applied, time, answer.clean ? kCleanSuffix : "",
                      answer.is_error ? kErrorSuffix : "");
}

absl::optional<WorkerAnswer> ParseWorkerAnswer(absl::string_view mark) {
  WorkerAnswer answer;
  answer.is_error = absl::ConsumeSuffix(&mark, kErrorSuffix);
  answer.clean = absl::ConsumeSuffix(&mark, kCleanSuffix);
  if (absl::ConsumeSuffix(&mark, kMicrosSuffix)) {
    const size_t space = mark.find(' ');
    int64_t micros = 0;
    if (space == mark.npos || !absl::SimpleAtoi(mark.substr(space + 1), &micros) || micros < 0) {
      return absl::nullopt;
    }
    answer.action_time = absl::Microseconds(micros);
    mark = mark.substr(0, space);
  }
  if (!absl::SimpleAtoi(mark, &answer.actions_applied) || answer.actions_applied < 0) {
    return absl::nullopt;
  }
  return answer;
}

}  // namespace holdfast
