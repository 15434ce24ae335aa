#include "worker/llvm/session_parameters.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace holdfast::llvm_session {
namespace {

struct Row {
  const char* name;
  int64_t default_value;
  int64_t min;
};
constexpr Row kTable[] = {
    {"runtimes_per_observation_count", 1, 1},
    {"warmup_runs_count_per_runtime_observation", 0, 0},
    {"buildtimes_per_observation_count", 1, 1},
};

// The reply. Whether the state changed must be as the kind of key says.
absl::StatusOr<std::string> Send(SessionParameters& parameters, const std::string& key,
                                 absl::string_view value) {
  const auto result = parameters.Handle(key, value);
  if (!result.ok()) {
    EXPECT_TRUE(IsCleanError(result.status()));
    return absl::Status(result.status().code(), result.status().message());
  }
  if (!result->has_value()) return absl::NotFoundError(key);
  EXPECT_EQ((*result)->changed_state, absl::string_view(key).substr(0, 9) == "llvm.set_");
  return (*result)->reply;
}

TEST(SessionParameters, AreSetAndTold) {
  SessionParameters parameters;
  for (const Row& row : kTable) {
    const std::string set = absl::StrCat("llvm.set_", row.name);
    const std::string get = absl::StrCat("llvm.get_", row.name);
    EXPECT_EQ(*Send(parameters, get, ""), absl::StrCat(row.default_value));
    EXPECT_EQ(*Send(parameters, set, "17"), "17");
    EXPECT_EQ(*Send(parameters, get, "ignored"), "17");
    EXPECT_EQ(*Send(parameters, set, absl::StrCat(row.min)), absl::StrCat(row.min));
    EXPECT_EQ(*Send(parameters, get, ""), absl::StrCat(row.min));
  }
}

TEST(SessionParameters, BadValuesAreRefused) {
  SessionParameters parameters;
  for (const Row& row : kTable) {
    const std::string key = absl::StrCat("llvm.set_", row.name);
    ASSERT_TRUE(Send(parameters, key, "5").ok());
    EXPECT_EQ(Send(parameters, key, absl::StrCat(row.min - 1)).status(),
              absl::InvalidArgumentError(
                  absl::StrCat(key, " must be >= ", row.min, ". Received: ", row.min - 1)));
    for (const char* value : {"", "many", "1.5", "0x1", "99999999999999999999"}) {
      EXPECT_EQ(
          Send(parameters, key, value).status(),
          absl::InvalidArgumentError(absl::StrCat(key, " must be an integer in [", row.min,
                                                  ", 9223372036854775807]. Received: ", value)));
    }
    EXPECT_EQ(*Send(parameters, absl::StrCat("llvm.get_", row.name), ""), "5");
  }
}

TEST(SessionParameters, OtherKeysAreNotTheirs) {
  SessionParameters parameters;
  for (const char* key : {"llvm.set_", "llvm.get_speed", "runtimes_per_observation_count", "",
                          "llvm.runtimes_per_observation_count"}) {
    EXPECT_EQ(Send(parameters, key, "1").status(), absl::NotFoundError(key));
  }
}

TEST(SessionParameters, FingerprintAndSavedValuesTellThemApart) {
  std::vector<std::string> fingerprints = {SessionParameters().Fingerprint()};
  for (const Row& row : kTable) {
    SessionParameters parameters, restored;
    ASSERT_TRUE(Send(parameters, absl::StrCat("llvm.set_", row.name), "7").ok());
    fingerprints.push_back(parameters.Fingerprint());
    SessionParameters::Values values;
    parameters.Save(&values);
    restored.Restore(values);
    EXPECT_EQ(restored.Fingerprint(), parameters.Fingerprint());
    EXPECT_EQ(*Send(restored, absl::StrCat("llvm.get_", row.name), ""), "7");
  }
  EXPECT_EQ(std::set<std::string>(fingerprints.begin(), fingerprints.end()).size(), 4);
}

}  // namespace
}  // namespace holdfast::llvm_session
