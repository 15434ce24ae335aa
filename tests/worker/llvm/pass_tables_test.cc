#include "worker/llvm/pass_tables.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "worker/llvm/pass_runner.h"

namespace holdfast::llvm_session {
namespace {

// All tables, also the one that is no space.
std::vector<PassSpace> Tables() {
  std::vector<PassSpace> tables(PassSpaces().begin(), PassSpaces().end());
  tables.push_back({"baselines", BaselinePasses()});
  return tables;
}

TEST(PassTables, EveryPipelineParses) {
  for (const PassSpace& space : Tables()) {
    for (const Pass& pass : space.passes) {
      if (pass.pipeline.empty()) continue;
      EXPECT_TRUE(ParsePipeline(pass.pipeline).ok()) << space.name << " " << pass.name;
    }
  }
  EXPECT_EQ(ParsePipeline("no-such-pass").code(), absl::StatusCode::kInvalidArgument);
}

TEST(PassTables, NamesAreUnique) {
  for (const PassSpace& space : Tables()) {
    std::set<absl::string_view> names;
    for (const Pass& pass : space.passes) {
      EXPECT_TRUE(names.insert(pass.name).second) << space.name << " " << pass.name;
    }
  }
}

TEST(PassTables, SpacesAreInTheOrderThatClientsKnow) {
  ASSERT_EQ(PassSpaces().size(), 5);
  EXPECT_EQ(PassSpaces()[0].name, "PassesAll");
  EXPECT_EQ(PassSpaces()[1].name, "passes");
  EXPECT_EQ(PassSpaces()[2].name, "unsafe");
  EXPECT_EQ(PassSpaces()[3].name, "loop");
  EXPECT_EQ(PassSpaces()[4].name, "pipeline");
}

// Indices as agents of CompilerGym use them.
TEST(PassTables, CompilerGymOrder) {
  const absl::Span<const Pass> passes = CompilerGymPasses();
  ASSERT_EQ(passes.size(), 124);
  for (const Pass& pass : passes) EXPECT_TRUE(absl::StartsWith(pass.name, "-")) << pass.name;
  EXPECT_EQ(passes[0].name, "-add-discriminators");
  EXPECT_EQ(passes[1].name, "-adce");
  EXPECT_EQ(passes[7].name, "-barrier");
  EXPECT_EQ(passes[10].name, "-simplifycfg");
  EXPECT_EQ(passes[27].name, "-reg2mem");
  EXPECT_EQ(passes[53].name, "-instcombine");
  EXPECT_EQ(passes[103].name, "-mem2reg");
  EXPECT_EQ(passes[111].name, "-sroa");
  EXPECT_EQ(passes[122].name, "-tailcallelim");
  EXPECT_EQ(passes[123].name, "-mergereturn");
}

TEST(PassTables, OnlyTwoActionsHaveNoEquivalent) {
  for (const Pass& pass : CompilerGymPasses()) {
    EXPECT_EQ(pass.pipeline.empty(), pass.name == "-barrier" || pass.name == "-loop-reroll")
        << pass.name;
  }
}

TEST(PassTables, ModernNamesArePipelines) {
  for (const Pass& pass : ModernPasses()) EXPECT_EQ(pass.name, pass.pipeline);
  for (size_t i = 1; i < ModernPasses().size(); ++i) {
    EXPECT_LT(ModernPasses()[i - 1].name, ModernPasses()[i].name);
  }
}

TEST(PassTables, UnsafeBeginsWithTheModernPasses) {
  ASSERT_GT(UnsafePasses().size(), ModernPasses().size());
  for (size_t i = 0; i < ModernPasses().size(); ++i) {
    EXPECT_EQ(UnsafePasses()[i].name, ModernPasses()[i].name);
  }
}

TEST(PassTables, LoopActionsSayWhatTheyDo) {
  ASSERT_EQ(LoopPasses().size(), 10);
  for (const Pass& pass : LoopPasses()) {
    const bool unrolls = pass.hint.kind == LoopHint::Kind::kUnrollCount;
    EXPECT_EQ(pass.name, absl::StrCat(unrolls ? "unroll-" : "vectorize-", pass.hint.number));
    EXPECT_TRUE(absl::StrContains(pass.pipeline, unrolls ? "loop-unroll" : "loop-vectorize"));
  }
}

}  // namespace
}  // namespace holdfast::llvm_session
