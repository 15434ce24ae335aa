// Sessions of benchmarks that say how their programs are built and run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using compiler_gym::Event;
using testing::HasSubstr;

constexpr char kProgram[] = "int main(int argc, char **argv) { int a = argc; return a - 1; }\n";

compiler_gym::BenchmarkDynamicConfig Commands() {
  compiler_gym::BenchmarkDynamicConfig config;
  *config.mutable_build_cmd() = ShellCommand("$CC $IN -o a.out", {}, {"a.out"});
  *config.mutable_run_cmd() = ShellCommand("./a.out", {"a.out"}, {});
  return config;
}

Event Observed(SessionUnderTest& session, absl::string_view space) {
  const absl::StatusOr<Event> event = session.Observe(space);
  EXPECT_TRUE(event.ok()) << space << ": " << event.status();
  return event.value_or(Event());
}

std::string Send(SessionUnderTest& session, const std::string& key, absl::string_view value) {
  const auto result = session.session().HandleParameter(key, value);
  EXPECT_TRUE(result.ok() && result->has_value()) << key << ": " << result.status();
  return result.ok() && result->has_value() ? (*result)->reply : "";
}

TEST(MeasuredSession, WithoutCommandsThereIsNothingToRun) {
  SessionUnderTest without, forbidden(Commands(), /*is_allowed=*/false);
  for (SessionUnderTest* session : {&without, &forbidden}) {
    ASSERT_TRUE(session->Init("passes", kProgram).ok());
    EXPECT_EQ(Observed(*session, "IsBuildable").value_case(), Event::kBooleanValue);
    EXPECT_FALSE(Observed(*session, "IsBuildable").boolean_value());
    EXPECT_FALSE(Observed(*session, "IsRunnable").boolean_value());
    EXPECT_EQ(Observed(*session, "Runtime").value_case(), Event::VALUE_NOT_SET);
    EXPECT_EQ(Observed(*session, "Buildtime").value_case(), Event::VALUE_NOT_SET);
    EXPECT_GT(session->Count("TextSizeBytes"), 0);
    EXPECT_EQ(session->Count("TextSizeBytes"), session->Count("ObjectTextSizeBytes"));
    EXPECT_EQ(session->Count("TextSizeO3"), session->Count("ObjectTextSizeO3"));
  }
}

TEST(MeasuredSession, TimesAreAsManyAsTheParametersSay) {
  SessionUnderTest session(Commands());
  ASSERT_TRUE(session.Init("passes", kProgram).ok());
  EXPECT_TRUE(Observed(session, "IsBuildable").boolean_value());
  EXPECT_TRUE(Observed(session, "IsRunnable").boolean_value());
  for (const int count : {1, 4}) {
    EXPECT_EQ(Send(session, "llvm.set_runtimes_per_observation_count", absl::StrCat(count)),
              absl::StrCat(count));
    Send(session, "llvm.set_warmup_runs_count_per_runtime_observation", "2");
    Send(session, "llvm.set_buildtimes_per_observation_count", absl::StrCat(count));
    for (const char* space : {"Runtime", "Buildtime"}) {
      const Event event = Observed(session, space);
      ASSERT_EQ(event.value_case(), Event::kDoubleTensor);
      ASSERT_EQ(event.double_tensor().shape_size(), 1);
      EXPECT_EQ(event.double_tensor().shape(0), count);
      ASSERT_EQ(event.double_tensor().value_size(), count);
      for (const double seconds : event.double_tensor().value()) {
        EXPECT_GT(seconds, 0);
        EXPECT_LT(seconds, 60);
      }
    }
  }
}

TEST(MeasuredSession, SizesFollowTheModule) {
  SessionUnderTest session(Commands());
  ASSERT_TRUE(session.Init("passes", DemoProgram("compressor.c")).ok());
  const int64_t program = session.Count("TextSizeBytes");
  const int64_t object = session.Count("ObjectTextSizeBytes");
  EXPECT_GT(program, object) << "a program has start-up code besides";
  EXPECT_EQ(session.Count("TextSizeO0"), program);
  EXPECT_EQ(session.Count("ObjectTextSizeO0"), object);
  EXPECT_LT(session.Count("ObjectTextSizeOz"), session.Count("ObjectTextSizeO3"));
  EXPECT_LT(session.Count("TextSizeOz"), session.Count("TextSizeO3"));
  ASSERT_TRUE(session.Step("sroa").ok());
  EXPECT_NE(session.Count("TextSizeBytes"), program);
  EXPECT_NE(session.Count("ObjectTextSizeBytes"), object);
  EXPECT_EQ(session.Count("TextSizeO0"), program);
}

TEST(MeasuredSession, FailedCommandsCostTheirObservationsOnly) {
  compiler_gym::BenchmarkDynamicConfig config = Commands();
  config.mutable_build_cmd()->add_argument("&& echo sorry && exit 1");
  SessionUnderTest session(config);
  ASSERT_TRUE(session.Init("passes", kProgram).ok());
  for (const char* space : {"TextSizeBytes", "TextSizeO3", "ObjectTextSizeBytes", "Runtime"}) {
    const absl::Status status = session.Observe(space).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << space;
    EXPECT_TRUE(IsCleanError(status)) << space;
    if (absl::string_view(space) != "Runtime") {
      EXPECT_THAT(std::string(status.message()), HasSubstr("Failed to compute .text size cost"));
    }
  }
  EXPECT_GT(session.Count("IrInstructionCountO3"), 0);
  EXPECT_TRUE(*session.Step("sroa"));
}

TEST(MeasuredSession, BadCommandsAreRefused) {
  compiler_gym::BenchmarkDynamicConfig config = Commands();
  config.mutable_run_cmd()->set_timeout_seconds(-1);
  SessionUnderTest session(config);
  const absl::Status status = session.Init("passes", kProgram);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("dynamic_config.run_cmd.timeout_seconds"));
}

TEST(MeasuredSession, ParametersBelongToTheState) {
  SessionUnderTest session(Commands()), restored(Commands());
  ASSERT_TRUE(session.Init("passes", kProgram).ok());
  const std::string at_first = *session.session().Fingerprint();
  Send(session, "llvm.set_runtimes_per_observation_count", "3");
  Send(session, "llvm.set_warmup_runs_count_per_runtime_observation", "1");
  EXPECT_NE(*session.session().Fingerprint(), at_first);
  const int64_t size = session.Count("TextSizeO3");

  const auto snapshot = session.session().Snapshot();
  ASSERT_TRUE(snapshot.ok() && snapshot->has_value()) << snapshot.status();
  ASSERT_TRUE(restored.Restore("passes", kProgram, **snapshot).ok());
  EXPECT_EQ(*restored.session().Fingerprint(), *session.session().Fingerprint());
  EXPECT_EQ(Send(restored, "llvm.get_runtimes_per_observation_count", ""), "3");
  EXPECT_EQ(Send(restored, "llvm.get_warmup_runs_count_per_runtime_observation", ""), "1");
  EXPECT_EQ(Observed(restored, "Runtime").double_tensor().value_size(), 3);
  EXPECT_EQ(restored.Count("TextSizeO3"), size);
}

}  // namespace
}  // namespace holdfast::llvm_session
