// Each pass that clients can run, on real programs: it runs, leaves a valid module, and whether it
// had an effect is told right, by the digest as by text and bitcode.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "llvm/Bitcode/BitcodeWriter.h"
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

// Of `unsafe`. Everything else must run.
struct Failure {
  absl::string_view pass;
  absl::string_view message;  // Its beginning, or an absl::StatusCode's name.
  absl::string_view reason;
};
constexpr Failure kFailures[] = {
    {"trigger-crash-function", "INTERNAL: crashed", "LLVM's hook"},
    {"trigger-crash-module", "INTERNAL: crashed", "LLVM's hook"},
    {"trigger-verifier-error", "INTERNAL: The module is invalid", "LLVM's hook"},
    {"codegenprepare", "INTERNAL: crashed", "wants a profile summary that was computed before"},
    {"select-optimize", "INTERNAL: crashed", "likewise"},
    {"unify-loop-exits", "INTERNAL: crashed", "a bug of LLVM"},
    {"instcombine", "INTERNAL: exited", "does not reach its fixpoint"},
    {"atomic-expand", "INTERNAL: crashed", "wants a target"},
    {"dwarf-eh-prepare", "INTERNAL: crashed", "wants a target"},
    {"expand-large-div-rem", "INTERNAL: crashed", "wants a target"},
    {"expand-large-fp-convert", "INTERNAL: crashed", "wants a target"},
    {"indirectbr-expand", "INTERNAL: crashed", "wants a target"},
    {"pre-isel-intrinsic-lowering", "INTERNAL: crashed", "wants a target"},
    {"dfsan", "INTERNAL: crashed", "knows no such target"},
    {"msan", "INTERNAL: crashed", "knows no such target"},
};

const Failure* KnownFailure(absl::string_view pass) {
  const auto* const found = std::find_if(std::begin(kFailures), std::end(kFailures),
                                         [&](const Failure& row) { return row.pass == pass; });
  return found == std::end(kFailures) ? nullptr : found;
}

constexpr absl::string_view kPipelines[] = {
    "sroa,early-cse,simplifycfg",
    "cgscc(inline,function(sroa,gvn)),globaldce",
    "function(newgvn,loop-mssa(licm),gvn-hoist),attributor-light",
    "no-op-module",
    "function(instsimplify),verify,print<domtree>",
    "require<globals-aa>,function(dse,adce)",
};

// Each pass once: most actions of PassesAll are among `passes`, too.
std::vector<Pass> AllPasses() {
  std::vector<Pass> all;
  std::set<std::tuple<absl::string_view, Quirk, LoopHint::Kind, int>> known;
  const auto add = [&](const Pass& pass) {
    if (known.emplace(pass.pipeline, pass.quirk, pass.hint.kind, pass.hint.number).second) {
      all.push_back(pass);
    }
  };
  for (const PassSpace& space : PassSpaces()) {
    for (const Pass& pass : space.passes) add(pass);
  }
  for (const Pass& pass : BaselinePasses()) add(pass);
  for (const absl::string_view pipeline : kPipelines) add(PipelinePass(pipeline));
  return all;
}

// What clients see of a module: the text also shows the order of predecessors; bitcode alone is
// what it is compiled from.
struct Outside {
  explicit Outside(const llvm::Module& module) {
    llvm::raw_string_ostream text_stream(text);
    module.print(text_stream, nullptr);
    llvm::raw_string_ostream bitcode_stream(bitcode);
    llvm::WriteBitcodeToFile(module, bitcode_stream);
  }
  std::string text;
  std::string bitcode;
};

// What is wrong with how `pass` ran on the module; empty if nothing.
absl::StatusOr<std::string> Complaint(const Pass& pass, llvm::Module& module) {
  const Outside before(module);
  const std::string digest = ModuleDigest(module);
  if (absl::Status ran = RunPass(pass, module); !ran.ok()) return ran;
  if (absl::Status status = VerifyModule(module); !status.ok()) return status;
  const Outside after(module);
  const bool text_changed = after.text != before.text;
  const bool bitcode_changed = after.bitcode != before.bitcode;
  const bool digest_changed = ModuleDigest(module) != digest;
  if (digest_changed == (text_changed || bitcode_changed)) return "";
  return absl::StrCat("digest changed: ", digest_changed, ", text: ", text_changed,
                      ", bitcode: ", bitcode_changed);
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
    ASSERT_TRUE(RunPass(PipelinePass(pipeline), **module).ok());
  }
  if (!GetParam().has_target) (*module)->setTargetTriple("");
  for (const Pass& pass : AllPasses()) {
    // In a child: each pass sees the same module, and one that crashes is a failure like others.
    const absl::StatusOr<std::string> complaint =
        ComputeInChild(absl::Seconds(20), [&] { return Complaint(pass, **module); });
    if (complaint.ok()) {
      EXPECT_EQ(*complaint, "") << pass.name;
      continue;
    }
    const Failure* const known = KnownFailure(pass.name);
    ASSERT_NE(known, nullptr) << pass.name << ": " << complaint.status();
    EXPECT_TRUE(absl::StartsWith(complaint.status().ToString(), known->message))
        << pass.name << ": " << complaint.status();
    std::cout << "skipped: " << pass.name << ", " << known->reason << std::endl;  // Before a fork.
  }
}

TEST(PassEffectsTable, FailuresAreOfUnsafePasses) {
  for (const Failure& failure : kFailures) {
    const auto is_it = [&](const Pass& pass) { return pass.name == failure.pass; };
    EXPECT_TRUE(std::any_of(UnsafePasses().begin(), UnsafePasses().end(), is_it)) << failure.pass;
    EXPECT_FALSE(std::any_of(ModernPasses().begin(), ModernPasses().end(), is_it)) << failure.pass;
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
