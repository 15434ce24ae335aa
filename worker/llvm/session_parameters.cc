#include "worker/llvm/session_parameters.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace holdfast::llvm_session {
namespace {

constexpr absl::string_view kSet = "llvm.set_";
constexpr absl::string_view kGet = "llvm.get_";
constexpr size_t kMaxQuoted = 100;

struct Row {
  absl::string_view name;
  int64_t SessionParameters::*value;
  int64_t min;
};
constexpr Row kRows[] = {
    {"runtimes_per_observation_count", &SessionParameters::runtimes_per_observation_count, 1},
    {"warmup_runs_count_per_runtime_observation",
     &SessionParameters::warmup_runs_count_per_runtime_observation, 0},
    {"buildtimes_per_observation_count", &SessionParameters::buildtimes_per_observation_count, 1},
};

const Row* FindRow(absl::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// The texts are CompilerGym's.
absl::Status Check(absl::string_view key, absl::string_view text, int64_t min, int64_t* value) {
  if (!absl::SimpleAtoi(text, value)) {
    return absl::InvalidArgumentError(absl::StrCat(key, " must be an integer in [", min, ", ",
                                                   std::numeric_limits<int64_t>::max(),
                                                   "]. Received: ", text.substr(0, kMaxQuoted)));
  }
  if (*value < min) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, " must be >= ", min, ". Received: ", *value));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<absl::optional<ParameterResult>> SessionParameters::Handle(absl::string_view key,
                                                                          absl::string_view value) {
  absl::string_view name = key;
  const bool is_setter = absl::ConsumePrefix(&name, kSet);
  const Row* const row = is_setter || absl::ConsumePrefix(&name, kGet) ? FindRow(name) : nullptr;
  if (row == nullptr) return absl::optional<ParameterResult>();
  ParameterResult result;
  result.changed_state = is_setter;
  if (is_setter) {
    int64_t number = 0;
    absl::Status status = Check(key, value, row->min, &number);
    if (!status.ok()) return CleanError(status);
    this->*row->value = number;
  }
  result.reply = absl::StrCat(this->*row->value);
  return absl::optional<ParameterResult>(std::move(result));
}

std::string SessionParameters::Fingerprint() const {
  std::string bytes;
  for (const Row& row : kRows) {
    const int64_t value = this->*row.value;
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return bytes;
}

void SessionParameters::Save(Values* values) const {
  for (const Row& row : kRows) (*values)[std::string(row.name)] = this->*row.value;
}

void SessionParameters::Restore(const Values& values) {
  for (const Row& row : kRows) {
    const auto saved = values.find(std::string(row.name));
    if (saved != values.end()) this->*row.value = saved->second;
  }
}

}  // namespace holdfast::llvm_session
