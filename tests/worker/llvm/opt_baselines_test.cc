// The baselines are what opt-19 makes of the program, and no loop of a compiled program is kept
// from being unrolled, which would cripple them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/worker/llvm/ir_text.h"
#include "tests/worker/llvm/llvm_tools.h"
#include "tests/worker/llvm/test_modules.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/source_compiler.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;
using testing::Not;

class Baselines : public testing::TestWithParam<TestModule> {};

TEST_P(Baselines, AreWhatOptMakesOfTheProgram) {
  const absl::StatusOr<std::string> program = MakeModule(GetParam());
  ASSERT_TRUE(program.ok()) << program.status();
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("passes", *program).ok());
  const auto original = session.Observe("Bitcode");
  ASSERT_TRUE(original.ok()) << original.status();
  ASSERT_TRUE(session.Step("sroa").ok());  // Makes no difference.
  for (const char* level : {"O0", "O3", "Oz"}) {
    const absl::StatusOr<std::string> optimised =
        RunOpt(absl::StrCat("default<", level, ">"), original->byte_tensor().value());
    ASSERT_TRUE(optimised.ok()) << optimised.status();
    const absl::StatusOr<std::string> text = Disassemble(*optimised);
    ASSERT_TRUE(text.ok()) << text.status();
    const absl::StatusOr<std::vector<int64_t>> counts = InstCountOfText(*text);
    ASSERT_TRUE(counts.ok()) << counts.status();
    EXPECT_EQ(session.Count(absl::StrCat("IrInstructionCount", level)), counts->front()) << level;
  }
}

INSTANTIATE_TEST_SUITE_P(Modules, Baselines,
                         testing::ValuesIn(TestModules(/*count=*/26, /*seed=*/80,
                                                       /*max_functions=*/5)));

constexpr char kNotToBeUnrolled[] = "llvm.loop.unroll.disable";

// With loops of each kind.
constexpr char kLoopsInC[] = R"(
int f(int n, const int* values) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += values[i];
  while (n > 1) n /= 2;
  do { sum -= n++; } while (n < 7);
  return sum;
}
)";
constexpr char kLoopsInCpp[] = R"(
template <int kSize>
struct Vector {
  int* begin() { return values; }
  int* end() { return values + kSize; }
  int values[kSize];
};
int f(Vector<16>& vector) {
  int sum = 0;
  for (int value : vector) sum += value;
  while (sum > 1) sum /= 2;
  return sum;
}
)";

std::string TextOf(const std::string& source, const std::vector<std::string>& flags) {
  const ScratchDirectory scratch;
  const absl::StatusOr<std::string> bitcode = CompileSource(source, scratch.path(), flags);
  EXPECT_TRUE(bitcode.ok()) << bitcode.status();
  return bitcode.ok() ? Disassemble(*bitcode).value_or("") : "";
}

TEST(CompiledLoops, MayBeUnrolled) {
  for (const std::string& source :
       {std::string(kLoopsInC), std::string(kLoopsInCpp), DemoProgram("compressor.c"),
        DemoProgram("linear_algebra.c"), DemoProgram("calculator.c")}) {
    SessionUnderTest session;
    ASSERT_TRUE(session.Init("passes", source).ok());
    EXPECT_THAT(session.Ir(), HasSubstr("!llvm.loop "));
    EXPECT_THAT(session.Ir(), Not(HasSubstr(kNotToBeUnrolled)));
    // It is not that clang never says so.
    EXPECT_THAT(TextOf(source, {"-fno-unroll-loops"}), HasSubstr(kNotToBeUnrolled));
  }
}

}  // namespace
}  // namespace holdfast::llvm_session
