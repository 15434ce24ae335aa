#include "worker/llvm/module_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "llvm/Support/raw_ostream.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(SniffSourceKind, TellsTheKindsApart) {
  EXPECT_EQ(SniffSourceKind(absl::string_view("BC\xC0\xDE\x35\x14", 6)), SourceKind::kBitcode);
  EXPECT_EQ(SniffSourceKind(absl::string_view("\xDE\xC0\x17\x0B", 4)), SourceKind::kBitcode);
  EXPECT_EQ(SniffSourceKind(absl::string_view("BX\0\0", 4)), SourceKind::kBitcode);
  for (const char* ir : {
           "; ModuleID = 'x'\n",
           "\n\nsource_filename = \"x\"\n",
           "target triple = \"x86_64-pc-linux-gnu\"\n",
           "@global = global i32 0\n",
           "%struct = type { i32 }\n",
           "define i32 @main() {\n",
           "declare void @f(\n",
           "attributes #0 = { nounwind }\n",
           "!0 = !{}\n",
           "module asm \"nop\"\n",
       }) {
    EXPECT_EQ(SniffSourceKind(ir), SourceKind::kTextIr) << ir;
  }
  for (const char* c : {
           "int main(void) { return 0; }\n",
           "// comment\nint x;\n",
           "#include <stdio.h>\n",
           "define(x) int x; { return x; }\n",
           "target = 3;\n",
           "module_t *module;\n",
           "attributes x;\n",
       }) {
    EXPECT_EQ(SniffSourceKind(c), SourceKind::kSource) << c;
  }
}

std::string LoadError(absl::string_view contents) {
  const ScratchDirectory scratch;
  absl::StatusOr<std::string> prepared = ToBitcodeOrIr(contents, scratch.path());
  absl::Status status = prepared.status();
  if (status.ok()) {
    llvm::LLVMContext context;
    status = LoadModule(*prepared, context).status();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(LoadModule, RefusesWhatIsNoProgram) {
  EXPECT_THAT(LoadError(""), HasSubstr("File is empty:"));
  EXPECT_THAT(LoadError(absl::string_view("BC\xC0\xDE garbage", 12)),
              HasSubstr("Failed to parse LLVM bitcode"));
  EXPECT_THAT(LoadError(absl::string_view("\x7F"
                                          "ELF\0\1\2",
                                          7)),
              HasSubstr("Failed to parse LLVM bitcode"));
  EXPECT_THAT(LoadError("define i32 @main() {\n  ret i32 %undefined\n}\n"),
              HasSubstr("Failed to parse LLVM IR: line 2, column 11: use of undefined value"));
  EXPECT_THAT(LoadError("int main(void) { return undefined; }\n"),
              testing::AllOf(HasSubstr("Failed to compile C source: program.c:1:25: error:"),
                             HasSubstr("undefined")));
}

TEST(LoadModule, RefusesTruncatedBitcode) {
  const std::string bitcode = BitcodeOf("int main(void) { return 3; }");
  EXPECT_THAT(LoadError(bitcode.substr(0, bitcode.size() / 2)),
              HasSubstr("Failed to parse LLVM bitcode"));
}

TEST(LoadModule, RefusesWhatTheVerifierRefuses) {
  EXPECT_THAT(LoadError("define void @f() {\n  call void @llvm.donothing(), !range !0\n"
                        "  ret void\n}\ndeclare void @llvm.donothing()\n!0 = !{i32 0, i32 1}\n"),
              HasSubstr("Failed to parse LLVM bitcode or IR: The module is invalid:"));
}

TEST(LoadModule, BoundsDiagnostics) {
  std::string source;
  for (int i = 0; i < 500; ++i) absl::StrAppend(&source, "int f", i, "(void) { return x; }\n");
  EXPECT_LT(LoadError(source).size(), 1200);
}

TEST(LoadModule, ForgetsOriginButKeepsModuleFlags) {
  llvm::LLVMContext context;
  const auto module = LoadModule(
      "source_filename = \"secret.c\"\n"
      "define i32 @f(i32 %argument) {\nentry_block:\n  %sum = add i32 %argument, 1\n"
      "  ret i32 %sum\n}\n"
      "!llvm.module.flags = !{!0}\n!llvm.ident = !{!1}\n"
      "!0 = !{i32 1, !\"wchar_size\", i32 4}\n!1 = !{!\"somebody\"}\n",
      context);
  ASSERT_TRUE(module.ok()) << module.status();
  std::string text;
  llvm::raw_string_ostream stream(text);
  (*module)->print(stream, nullptr);
  EXPECT_THAT(text, HasSubstr("; ModuleID = '-'\nsource_filename = \"-\"\n"));
  EXPECT_THAT(text, HasSubstr("wchar_size"));
  for (const char* gone : {"secret", "argument", "entry_block", "sum", "llvm.ident", "somebody"}) {
    EXPECT_THAT(text, Not(HasSubstr(gone)));
  }
}

TEST(CompileSource, StripsDebugInfoAndFixesTheClock) {
  const char* source = "const char when[] = __DATE__ __TIME__ __FILE__;\n";
  EXPECT_EQ(BitcodeOf(source), BitcodeOf(source));
  EXPECT_THAT(BitcodeOf(source), Not(HasSubstr("llvm_session.")));
}

TEST(CompileSource, TakesCppForCpp) {
  EXPECT_THAT(BitcodeOf("#include <vector>\nint f() { return std::vector<int>{1, 2}.size(); }"),
              HasSubstr("_Z1fv"));
  // Nothing in it looks like C++, but it is no C.
  EXPECT_THAT(
      BitcodeOf("struct S { int x; int get() { return x; } };\nint f(S s) { return s.get(); }"),
      HasSubstr("_Z1f1S"));
  // C that C++ would refuse.
  EXPECT_THAT(BitcodeOf("int class(int new) { return new; }"), HasSubstr("class"));
  EXPECT_THAT(LoadError("namespace n { int f() { return undefined; } }\n"),
              HasSubstr("Failed to compile C++ source: program.cc:1:32: error:"));
}

// Without this, passes that unroll loops would have nothing to do.
TEST(CompileSource, LoopsMayBeUnrolled) {
  llvm::LLVMContext context;
  const auto module = LoadModule(
      BitcodeOf("int f(int *a) { int s = 0; for (int i = 0; i < 8; ++i) s += a[i]; return s; }"),
      context);
  ASSERT_TRUE(module.ok());
  std::string text;
  llvm::raw_string_ostream stream(text);
  (*module)->print(stream, nullptr);
  EXPECT_THAT(text, Not(HasSubstr("llvm.loop.unroll.disable")));
  EXPECT_THAT(text, Not(HasSubstr("optnone")));
}

}  // namespace
}  // namespace holdfast::llvm_session
