// Each safe pass, on real programs: it runs, leaves a valid module, and whether it had an effect is
// told right, by the digest as by the text.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "llvm/Support/raw_ostream.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/compute_in_child.h"
#include "worker/llvm/module_digest.h"
#include "worker/llvm/module_loader.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/pass_tables.h"
#include "worker/llvm/target.h"

namespace holdfast::llvm_session {
namespace {

// The text, not the bitcode: the writer orders constants by their uses, which may change although
// the program does not (irce does that).
std::string Print(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  stream.flush();
  return text;
}

// What is wrong with how `pass` ran on the module; empty if nothing.
std::string Complaint(const Pass& pass, llvm::Module& module) {
  const std::string text = Print(module);
  const std::string digest = ModuleDigest(module);
  if (absl::Status ran = RunPass(pass, module); !ran.ok()) return ran.ToString();
  if (absl::Status status = VerifyModule(module); !status.ok()) return status.ToString();
  const bool text_changed = Print(module) != text;
  const bool digest_changed = ModuleDigest(module) != digest;
  if (digest_changed != text_changed) {
    return absl::StrCat("digest changed: ", digest_changed, ", text: ", text_changed);
  }
  return "";
}

struct Case {
  std::string program;
  std::vector<std::string> before;
  bool has_target = true;
};

class PassEffects : public testing::TestWithParam<Case> {};

TEST_P(PassEffects, AreToldRight) {
  InitializeLlvm();
  const std::string bitcode = BitcodeOf(DemoProgram(GetParam().program));
  llvm::LLVMContext context;
  const auto module = LoadModule(bitcode, context);
  ASSERT_TRUE(module.ok()) << module.status();
  for (const std::string& pipeline : GetParam().before) {
    ASSERT_TRUE(RunPipeline(pipeline, **module).ok());
  }
  if (!GetParam().has_target) (*module)->setTargetTriple("");
  for (const absl::Span<const Pass> passes : {CompilerGymPasses(), ModernPasses()}) {
    for (const Pass& pass : passes) {
      // In a child: each pass sees the same module, and one that crashes is a failure like others.
      const absl::StatusOr<std::string> complaint = ComputeInChild(
          absl::Seconds(20),
          [&]() -> absl::StatusOr<std::string> { return Complaint(pass, **module); });
      ASSERT_TRUE(complaint.ok()) << pass.name << ": " << complaint.status();
      EXPECT_EQ(*complaint, "") << pass.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Programs, PassEffects,
                         testing::Values(Case{"compressor.c", {}, /*has_target=*/false},
                                         Case{"compressor.c", {"sroa", "loop-rotate"}},
                                         Case{"calculator.c", {"sroa", "simplifycfg"}},
                                         Case{"linear_algebra.c",
                                              {"sroa", "instcombine<no-verify-fixpoint>",
                                               "indvars"}}));

}  // namespace
}  // namespace holdfast::llvm_session
