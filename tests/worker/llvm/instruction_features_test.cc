#include "worker/llvm/instruction_features.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "llvm/IR/Instruction.h"
#include "worker/llvm/module_loader.h"

namespace holdfast::llvm_session {
namespace {

// A loop with a call, and a switch; small enough to count by hand.
constexpr char kProgram[] = R"(
declare i32 @callee(i32)
declare void @nothing()

define i32 @loop(i32 %n, ptr %p) {
  %slot = alloca i64
  br label %head
head:                              ; preds: entry, body (2); phis: 2, 4 incoming
  %i = phi i32 [ 0, %0 ], [ %next, %body ]
  %s = phi i32 [ 1, %0 ], [ %sum, %body ]
  %more = icmp slt i32 %i, %n
  br i1 %more, label %body, label %exit
body:
  %at = getelementptr i32, ptr %p, i32 %i
  %value = load i32, ptr %at
  %called = call i32 @callee(i32 %value)
  call void @nothing()
  %sum = add i32 %s, %called
  %next = add i32 %i, 1
  store i64 0, ptr %slot
  br label %head
exit:
  %wide = zext i32 %s to i64
  %narrow = trunc i64 %wide to i32
  ret i32 %narrow
}

define void @choose(i32 %k) {
  switch i32 %k, label %end [ i32 0, label %end
                              i32 7, label %other ]
other:
  br label %end
end:                               ; three edges in
  ret void
}
)";

class InstructionFeatures : public testing::Test {
 protected:
  void SetUp() override {
    auto module = LoadModule(kProgram, context_);
    ASSERT_TRUE(module.ok()) << module.status();
    module_ = *std::move(module);
  }

  llvm::LLVMContext context_;
  std::unique_ptr<llvm::Module> module_;
};

TEST_F(InstructionFeatures, InstCount) {
  const auto counts = InstCount(*module_);
  EXPECT_EQ(counts[0], 20);  // 2 + 4 + 8 + 3, and 1 + 1 + 1.
  EXPECT_EQ(counts[0], module_->getInstructionCount());
  EXPECT_EQ(counts[1], 7);
  EXPECT_EQ(counts[2], 4);
  const std::map<unsigned, int64_t> expected = {
      {llvm::Instruction::Ret, 2},    {llvm::Instruction::Br, 4},
      {llvm::Instruction::Switch, 1}, {llvm::Instruction::Add, 2},
      {llvm::Instruction::Alloca, 1}, {llvm::Instruction::Load, 1},
      {llvm::Instruction::Store, 1},  {llvm::Instruction::GetElementPtr, 1},
      {llvm::Instruction::Trunc, 1},  {llvm::Instruction::ZExt, 1},
      {llvm::Instruction::ICmp, 1},   {llvm::Instruction::PHI, 2},
      {llvm::Instruction::Call, 2},
  };
  for (unsigned opcode = 1; opcode <= kOpcodes; ++opcode) {
    const auto row = expected.find(opcode);
    EXPECT_EQ(counts[2 + opcode], row == expected.end() ? 0 : row->second)
        << llvm::Instruction::getOpcodeName(opcode);
  }
}

TEST_F(InstructionFeatures, Autophase) {
  const std::array<int64_t, kAutophaseSize> expected = {
      0,   // BBNumArgsHi
      1,   // BBNumArgsLo: head has 4
      3,   // onePred: body, exit, other
      2,   // onePredOneSuc: body, other
      0,   // onePredTwoSuc
      3,   // oneSuccessor: entry, body, other
      1,   // twoPred: head
      0,   // twoPredOneSuc
      1,   // twoEach: head
      1,   // twoSuccessor: head
      1,   // morePreds: end, three edges
      1,   // BB03Phi
      0,   // BBHiPhi
      6,   // BBNoPhi
      1,   // BeginPhi
      4,   // BranchCount
      1,   // returnInt: callee
      2,   // CriticalCount: both edges from the switch to end
      8,   // NumEdges: 1 + 2 + 1 and 3 + 1
      6,   // const32Bit: phi 0 and 1, add 1, alloca's count, switch 0 and 7
      1,   // const64Bit: store 0
      3,   // numConstZeroes: phi, store, switch
      3,   // numConstOnes: phi, add, alloca's count
      3,   // UncondBranches
      1,   // binaryConstArg
      0,   // AShr
      2,   // Add
      1,   // Alloca
      0,   // And
      0,   // BlockMid
      7,   // BlockLow
      0,   // BitCast
      4,   // Br
      2,   // Call
      1,   // GetElementPtr
      1,   // ICmp
      0,   // LShr
      1,   // Load
      0,   // Mul
      0,   // Or
      2,   // PHI
      2,   // Ret
      0,   // SExt
      0,   // Select
      0,   // Shl
      1,   // Store
      0,   // Sub
      1,   // Trunc
      0,   // Xor
      1,   // ZExt
      7,   // TotalBlocks
      20,  // TotalInsts
      6,   // TotalMemInst: GEP, load, store, two calls, alloca
      4,   // TotalFuncs
      4,   // ArgsPhi
      4,   // testUnary: alloca, load, trunc, zext
  };
  const std::array<int64_t, kAutophaseSize> features = Autophase(*module_);
  for (int i = 0; i < kAutophaseSize; ++i) EXPECT_EQ(features[i], expected[i]) << "feature " << i;
}

TEST(InstructionFeaturesOfNothing, AreZero) {
  llvm::LLVMContext context;
  llvm::Module module("-", context);
  EXPECT_EQ(InstCount(module), (std::array<int64_t, kInstCountSize>{}));
  EXPECT_EQ(Autophase(module), (std::array<int64_t, kAutophaseSize>{}));
}

}  // namespace
}  // namespace holdfast::llvm_session
