// Sizes are those that clang and `size` tell.
#include "worker/llvm/object_size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/module_digest.h"
#include "worker/llvm/module_loader.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/target.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;

bool HasSize() { return system("command -v size >/dev/null") == 0; }

class ObjectSizeTest : public testing::Test {
 protected:
  void Load(absl::string_view contents) {
    InitializeLlvm();
    absl::StatusOr<std::unique_ptr<llvm::Module>> module = LoadModule(contents, context_);
    ASSERT_TRUE(module.ok()) << module.status();
    module_ = *std::move(module);
  }

  int64_t ClangAndSizeTell() {
    const std::string file = absl::StrCat(scratch_.path(), "/module");
    std::string text;
    llvm::raw_string_ostream stream(text);
    module_->print(stream, nullptr);
    WriteFile(file + ".ll", text);
    const std::string compile = absl::StrCat("clang-19 -w -xir -c ", file, ".ll -o ", file, ".o");
    EXPECT_EQ(system(compile.c_str()), 0);
    return TextByTheToolSize(file + ".o");
  }

  const ScratchDirectory scratch_;
  llvm::LLVMContext context_;
  std::unique_ptr<llvm::Module> module_;
};

class ObjectSizeOfProgram : public ObjectSizeTest,
                            public testing::WithParamInterface<const char*> {};

TEST_P(ObjectSizeOfProgram, IsWhatClangAndSizeTell) {
  if (!HasSize()) GTEST_SKIP() << "the package binutils is not installed";
  ASSERT_NO_FATAL_FAILURE(Load(BitcodeOf(DemoProgram(GetParam()))));
  for (const char* pipeline :
       {"", "sroa,instcombine<no-verify-fixpoint>", "default<Oz>", "default<O3>"}) {
    ASSERT_TRUE(RunPipeline(pipeline, *module_).ok());
    const std::string digest = ModuleDigest(*module_);
    const absl::StatusOr<int64_t> size = ObjectTextSize(*module_);
    ASSERT_TRUE(size.ok()) << size.status();
    EXPECT_EQ(*size, ClangAndSizeTell()) << pipeline;
    EXPECT_EQ(ModuleDigest(*module_), digest) << "the module was changed";
  }
}

INSTANTIATE_TEST_SUITE_P(Programs, ObjectSizeOfProgram,
                         testing::Values("compressor.c", "calculator.c", "linear_algebra.c"));

TEST_F(ObjectSizeTest, OfAlwaysInlineThreadLocalsConstructorsAndFloats) {
  if (!HasSize()) GTEST_SKIP() << "the package binutils is not installed";
  ASSERT_NO_FATAL_FAILURE(Load(BitcodeOf(R"(
    __thread int counter = 3;
    const char *const kNames[] = {"a", "bc"};
    extern int elsewhere;
    static inline __attribute__((always_inline)) int twice(int a) { return a + elsewhere * 2; }
    __attribute__((constructor)) void set_up(void) { counter = twice(counter); }
    double f(double a, double b, double c, int k) {
      switch (k) { case 0: return a; case 1: return b; case 2: return c; case 3: return a / b;
                   case 4: return b - c; case 5: return c + 1; }
      return a * b + c + twice(k) + kNames[k][0];
    })")));
  EXPECT_EQ(*ObjectTextSize(*module_), ClangAndSizeTell());
}

TEST_F(ObjectSizeTest, NeedsATripleOfX86) {
  for (const char* triple : {"", "target triple = \"aarch64-linux-gnu\"\n"}) {
    ASSERT_NO_FATAL_FAILURE(Load(absl::StrCat(triple, "define void @f() {\n  ret void\n}\n")));
    const absl::Status status = ObjectTextSize(*module_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("must be one of X86"));
  }
}

TEST_F(ObjectSizeTest, WhatCannotBeCompiledIsAnError) {
  ASSERT_NO_FATAL_FAILURE(Load(R"(target triple = "x86_64-pc-linux-gnu"
    define void @f() {
      call void asm sideeffect "nonsense", ""()
      ret void
    })"));
  const absl::Status status = ObjectTextSize(*module_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("invalid instruction mnemonic"));
}

// What is fatal to LLVM costs the value only.
TEST_F(ObjectSizeTest, ACrashIsAnError) {
  ASSERT_NO_FATAL_FAILURE(Load(R"(target triple = "x86_64-pc-linux-gnu"
    declare i32 @llvm.read_register.i32(metadata)
    define i32 @f() {
      %1 = call i32 @llvm.read_register.i32(metadata !{!"no_such_register"})
      ret i32 %1
    })"));
  const absl::Status status = ObjectTextSize(*module_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("crashed: "));
}

TEST_F(ObjectSizeTest, OfALinkedProgram) {
  if (!HasSize()) GTEST_SKIP() << "the package binutils is not installed";
  const std::string program = absl::StrCat(scratch_.path(), "/program");
  WriteFile(program + ".c", "int main() { return 0; }\n");
  ASSERT_EQ(system(absl::StrCat("clang-19 ", program, ".c -o ", program).c_str()), 0);
  EXPECT_EQ(*TextSizeOfFile(program), TextByTheToolSize(program));
}

TEST_F(ObjectSizeTest, OfWhatIsNoProgram) {
  const std::string file = absl::StrCat(scratch_.path(), "/file");
  EXPECT_EQ(TextSizeOfFile(file).status().code(), absl::StatusCode::kInvalidArgument);
  WriteFile(file, "#!/bin/sh\n");
  EXPECT_EQ(TextSizeOfFile(file).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace holdfast::llvm_session
