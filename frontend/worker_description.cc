#include "frontend/worker_description.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "frontend/action_name.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast {
namespace {

constexpr int kMaxActionsNamed = 5;
constexpr size_t kMaxActionText = 80;

}  // namespace

void WorkerDescription::Set(const DescribeReply& description) {
  std::vector<Callback> waiting;
  Described described;
  {
    absl::MutexLock lock(&mutex_);
    if (description_ != nullptr) return;
    described = std::make_shared<const DescribeReply>(description);
    description_ = described;
    waiting.swap(waiting_);
  }
  for (Callback& callback : waiting) callback(described);
}

void WorkerDescription::SetUnavailable(const std::string& why) {
  const absl::Status status =
      absl::UnavailableError(absl::StrCat("workers cannot be started: ", why));
  std::vector<Callback> waiting;
  {
    absl::MutexLock lock(&mutex_);
    unavailable_ = status;
    waiting.swap(waiting_);
  }
  for (Callback& callback : waiting) callback(status);
}

WorkerDescription::Described WorkerDescription::Get() const {
  absl::MutexLock lock(&mutex_);
  return description_;
}

void WorkerDescription::Await(Callback callback) {
  absl::StatusOr<Described> described;
  {
    absl::MutexLock lock(&mutex_);
    if (description_ != nullptr) {
      described = description_;
    } else if (!unavailable_.ok()) {
      described = unavailable_;
    } else {
      waiting_.push_back(std::move(callback));
      return;
    }
  }
  callback(std::move(described));
}

std::string DescribeActions(const compiler_gym::ActionSpace& space, const StepRequestView& step) {
  if (step.action_count == 0) return "no action";
  compiler_gym::StepRequest request;
  if (!request.ParseFromString(step.actions)) return "malformed actions";
  std::vector<std::string> texts;
  for (const auto& action : request.action()) {
    if (texts.size() == kMaxActionsNamed) {
      texts.push_back(absl::StrCat("and ", step.action_count - kMaxActionsNamed, " more"));
      break;
    }
    texts.push_back(DescribeAction(space.space(), action).substr(0, kMaxActionText));
  }
  return absl::StrJoin(texts, ", ");
}

}  // namespace holdfast
