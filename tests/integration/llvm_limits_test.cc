// A real compiler that hangs, eats memory or dies after many passes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/llvm_fixture.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

// What csmith makes of this seed, without #include.
std::string Csmith(int seed) {
  // csmith leaves a file where it runs.
  const ProgramResult source =
      RunProgram({"/bin/sh", "-c", absl::StrCat("cd \"$TEST_TMPDIR\" && csmith --seed ", seed)});
  EXPECT_EQ(source.exit, 0) << source.err;
  const ProgramResult program =
      RunProgram({"/usr/bin/clang-19", "-E", "-P", "-w", "-I/usr/include/csmith", "-"}, source.out);
  EXPECT_EQ(program.exit, 0) << program.err;
  return program.out;
}

// Functions that call each other twice, so that inlining doubles at each level.
std::string MemoryBomb(int levels) {
  std::string text =
      "define i32 @f0(i32 %x) alwaysinline {\n  %y = mul i32 %x, %x\n  ret i32 %y\n}\n";
  for (int level = 1; level <= levels; ++level) {
    absl::StrAppend(&text, "define i32 @f", level, "(i32 %x) ",
                    level < levels ? "alwaysinline " : "", "{\n  %a = call i32 @f", level - 1,
                    "(i32 %x)\n  %b = call i32 @f", level - 1, "(i32 %a)\n  ret i32 %b\n}\n");
  }
  return text;
}

constexpr absl::Duration kTimeLimit = absl::Seconds(12);  // Enough to rebuild, on a busy machine.
constexpr int64_t kMemoryLimit = 256 << 20;

class LlvmHangTest : public LlvmTest {
 protected:
  LlvmHangTest() : LlvmTest({absl::StrCat("--step_timeout=", absl::FormatDuration(kTimeLimit))}) {}

  void ExpectHang(int seed, const std::string& pass) {
    TestSession session = NewSession("unsafe", absl::StrCat("csmith-", seed), Csmith(seed));
    const std::string before = State(&session);
    const absl::Time start = absl::Now();
    const grpc::Status status = session.Step({Action("unsafe", pass)});
    const absl::Duration took = absl::Now() - start;
    EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr("--step_timeout"));
    EXPECT_LE(took, kTimeLimit + absl::Seconds(1));
    const absl::optional<WorkerFailure> failure = FailureOf(status);
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(failure->cause(), WorkerFailure::TIME_LIMIT);
    EXPECT_EQ(failure->limit(), absl::ToDoubleSeconds(kTimeLimit));
    EXPECT_EQ(State(&session), before);
    EXPECT_TRUE(session.Step({Action("unsafe", "globaldce")}).ok());
  }
};

// The parameter: whether cgroups may be used.
class LlvmMemoryTest : public LlvmTest, public testing::WithParamInterface<bool> {
 protected:
  LlvmMemoryTest()
      : LlvmTest({absl::StrCat("--worker_memory_limit_bytes=", kMemoryLimit),
                  absl::StrCat("--worker_cgroups=", GetParam() ? "true" : "false")}) {}
};

INSTANTIATE_TEST_SUITE_P(Mechanisms, LlvmMemoryTest, testing::Bool(), [](const auto& info) {
  return info.param ? "WithCgroups" : "WithoutCgroups";
});

TEST_P(LlvmMemoryTest, BombIsResourceExhausted) {
  TestSession other = NewSession("passes");
  TestSession session = NewSession("unsafe", "bomb", MemoryBomb(27));
  const std::string before = State(&session);
  const grpc::Status status = session.Step({Action("unsafe", "always-inline")});
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("--worker_memory_limit_bytes"));
  const absl::optional<WorkerFailure> failure = FailureOf(status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->cause(), WorkerFailure::MEMORY_LIMIT);
  EXPECT_GE(failure->measured(), kMemoryLimit);
  EXPECT_LE(failure->measured(), 1.5 * kMemoryLimit) << "found late";
  EXPECT_EQ(State(&session), before);
  EXPECT_TRUE(session.Step({Action("unsafe", "instcombine<no-verify-fixpoint>")}).ok());
  EXPECT_TRUE(other.Step({Action("passes", "gvn")}).ok());
}

TEST_F(LlvmHangTest, HangOfAttributorIsDeadlineExceeded) { ExpectHang(35, "attributor"); }

TEST_F(LlvmHangTest, HangOfAttributorCgsccIsDeadlineExceeded) {
  ExpectHang(25, "attributor-cgscc");
}

class LlvmReplayTest : public LlvmTest {
 protected:
  LlvmReplayTest() : LlvmTest({"--checkpoint_bytes=0"}) {}
};

TEST_F(LlvmReplayTest, RecoveryTakesLittleMoreThanThePasses) {
  // As bitcode: compiling C would take longer than the passes.
  TestSession source = NewSession("passes", "csmith-35-source", Csmith(35));
  const compiler_gym::Event bitcode = source.Observe(observations_.at("Bitcode"));
  TestSession session = NewSession("passes", "csmith-35", bitcode.byte_tensor().value());
  absl::Duration passes;
  for (const int64_t action : RandomPasses(50)) {
    const absl::Time start = absl::Now();
    ASSERT_TRUE(session.Step({action}).ok());
    passes += absl::Now() - start;
  }
  const std::string before = State(&session);
  std::vector<double> ratios;
  for (int i = 0; i < 3; ++i) {
    const double recovered = service_.Metric("holdfast_recovery_duration_seconds_sum").value_or(0);
    for (const pid_t worker : service_.workers()) kill(worker, SIGKILL);
    ASSERT_EQ(State(&session), before);
    const double took =
        service_.Metric("holdfast_recovery_duration_seconds_sum").value_or(0) - recovered;
    ratios.push_back(took / absl::ToDoubleSeconds(passes));
  }
  std::cout << "A recovery after 50 passes took " << *std::min_element(ratios.begin(), ratios.end())
            << " times as long as the passes (" << passes << ").\n";
  // Its start, the program's compilation and what else the machine does come on top.
  EXPECT_LT(*std::min_element(ratios.begin(), ratios.end()), 2);
}

}  // namespace
}  // namespace holdfast
