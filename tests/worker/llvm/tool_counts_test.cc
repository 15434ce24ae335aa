// What the session counts is what can be counted in the text that LLVM's own tools print.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/worker/llvm/ir_text.h"
#include "tests/worker/llvm/llvm_tools.h"
#include "tests/worker/llvm/test_modules.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using Counts = std::vector<int64_t>;

TEST(InstCountOfText, CountsLines) {
  const absl::StatusOr<Counts> counts = InstCountOfText(R"(source_filename = "-"

@text = constant [3 x i8] c"ret"

define i32 @f(i32 %0) {
  switch i32 %0, label %3 [
    i32 0, label %2
    i32 7, label %3
  ]

2:                                                ; preds = %1
  %4 = tail call i32 @g()
  store i32 %4, ptr @text, align 4
  br label %3

3:
  ret i32 0
}

define void @h() {
named:
  call void @h()
  ret void
}

declare i32 @g()
)");
  ASSERT_TRUE(counts.ok()) << counts.status();
  Counts expected(70);
  expected[0] = 7;
  expected[1] = 4;
  expected[2] = 3;
  expected[2 + 1] = 2;   // ret
  expected[2 + 2] = 1;   // br
  expected[2 + 3] = 1;   // switch
  expected[2 + 33] = 1;  // store
  expected[2 + 56] = 2;  // call
  EXPECT_EQ(*counts, expected);
  EXPECT_FALSE(InstCountOfText("define void @f() {\n  jump void\n}\n").ok());
}

class ToolCounts : public testing::TestWithParam<TestModule> {};

void ExpectCountsOfText(SessionUnderTest* session) {
  const auto bitcode = session->Observe("Bitcode");
  ASSERT_TRUE(bitcode.ok()) << bitcode.status();
  const absl::StatusOr<std::string> text = Disassemble(bitcode->byte_tensor().value());
  ASSERT_TRUE(text.ok()) << text.status();
  const absl::StatusOr<Counts> expected = InstCountOfText(*text);
  ASSERT_TRUE(expected.ok()) << expected.status();
  const auto inst_count = session->Observe("InstCount");
  ASSERT_TRUE(inst_count.ok()) << inst_count.status();
  const auto& values = inst_count->int64_tensor().value();
  EXPECT_EQ(Counts(values.begin(), values.end()), *expected);
  EXPECT_EQ(session->Count("IrInstructionCount"), expected->front());
}

TEST_P(ToolCounts, AreTheSessions) {
  const absl::StatusOr<std::string> program = MakeModule(GetParam());
  ASSERT_TRUE(program.ok()) << program.status();
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("passes", *program).ok());
  ExpectCountsOfText(&session);
  for (const char* pass : {"sroa", "inline", "simplifycfg", "loop-vectorize", "slp-vectorizer",
                           "instcombine<no-verify-fixpoint>"}) {
    SCOPED_TRACE(pass);
    ASSERT_TRUE(session.Step(pass).ok());
    ExpectCountsOfText(&session);
  }
}

INSTANTIATE_TEST_SUITE_P(Modules, ToolCounts,
                         testing::ValuesIn(TestModules(/*count=*/26, /*seed=*/50,
                                                       /*max_functions=*/5)));

// Only programs with a target have object code.
std::vector<TestModule> ProgramsWithTarget() {
  std::vector<TestModule> programs = TestModules(/*count=*/26, /*seed=*/50, /*max_functions=*/5);
  const auto has_none = [](const TestModule& program) {
    return program.kind == TestModule::Kind::kStress;
  };
  programs.erase(std::remove_if(programs.begin(), programs.end(), has_none), programs.end());
  return programs;
}

class ObjectTextSize : public testing::TestWithParam<TestModule> {};

TEST_P(ObjectTextSize, IsWhatClangAndSizeTell) {
  const absl::StatusOr<std::string> program = MakeModule(GetParam());
  ASSERT_TRUE(program.ok()) << program.status();
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("passes", *program).ok());
  for (const char* pass : {"forceattrs", "sroa", "inline", "simplifycfg", "loop-vectorize"}) {
    SCOPED_TRACE(pass);
    ASSERT_TRUE(session.Step(pass).ok());
    const auto bitcode = session.Observe("Bitcode");
    ASSERT_TRUE(bitcode.ok()) << bitcode.status();
    const absl::StatusOr<int64_t> size = ObjectTextSizeByTools(bitcode->byte_tensor().value());
    ASSERT_TRUE(size.ok()) << size.status();
    EXPECT_EQ(session.Count("ObjectTextSizeBytes"), *size);
  }
}

INSTANTIATE_TEST_SUITE_P(Programs, ObjectTextSize, testing::ValuesIn(ProgramsWithTarget()));

}  // namespace
}  // namespace holdfast::llvm_session
