#include "worker/llvm/module_sha1.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "llvm/Support/raw_ostream.h"
#include "tests/worker/llvm/varied_programs.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/module_loader.h"

namespace holdfast::llvm_session {
namespace {

std::string TextOf(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

TEST(ModuleSha1, TellsModulesApart) {
  std::map<std::string, std::string> texts;  // By hash.
  for (const VariedProgram& program : VariedPrograms()) {
    const std::string sha1 = ModuleSha1(*program.module);
    EXPECT_THAT(sha1, testing::MatchesRegex("[0-9a-f]{40}"));
    const std::string text = TextOf(*program.module);
    EXPECT_EQ(texts.try_emplace(sha1, text).first->second, text) << program.name;
  }
  EXPECT_GT(texts.size(), 20);
}

TEST(ModuleSha1, IsThatOfTheModuleWrittenAndRead) {
  for (const VariedProgram& program : VariedPrograms()) {
    std::string bitcode;
    WriteModule(*program.module, &bitcode);
    llvm::LLVMContext context;
    const auto copy = ReadModule(bitcode, context);
    ASSERT_TRUE(copy.ok()) << copy.status();
    EXPECT_EQ(ModuleSha1(**copy), ModuleSha1(*program.module)) << program.name;
  }
}

std::string Sha1OfText(const char* text) {
  llvm::LLVMContext context;
  const auto module = LoadModule(text, context);
  EXPECT_TRUE(module.ok()) << module.status();
  return ModuleSha1(**module);
}

TEST(ModuleSha1, SeesAllButNamesOfLocalValues) {
  const std::string sha1 =
      Sha1OfText("define i32 @f(i32 %x) {\n %y = add i32 %x, 1\n ret i32 %y }");
  EXPECT_NE(sha1, Sha1OfText("define i32 @f(i32 %x) {\n %y = add nsw i32 %x, 1\n ret i32 %y }"));
  EXPECT_NE(sha1, Sha1OfText("define i32 @g(i32 %x) {\n %y = add i32 %x, 1\n ret i32 %y }"));
  EXPECT_EQ(sha1, Sha1OfText("define i32 @f(i32 %a) {\n %z = add i32 %a, 1\n ret i32 %z }"));
}

}  // namespace
}  // namespace holdfast::llvm_session
