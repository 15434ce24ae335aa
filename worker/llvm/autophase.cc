#include "llvm/ADT/STLExtras.h"
#include "llvm/Analysis/CFG.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Instructions.h"
#include "worker/llvm/instruction_features.h"

namespace holdfast::llvm_session {
namespace {

// Positions in the vector, in Autophase's order. Names as in CompilerGym.
enum Feature {
  kBBNumArgsHi,
  kBBNumArgsLo,
  kOnePred,
  kOnePredOneSuc,
  kOnePredTwoSuc,
  kOneSuccessor,
  kTwoPred,
  kTwoPredOneSuc,
  kTwoEach,
  kTwoSuccessor,
  kMorePreds,
  kBB03Phi,
  kBBHiPhi,
  kBBNoPhi,
  kBeginPhi,
  kBranchCount,
  kReturnInt,
  kCriticalCount,
  kNumEdges,
  kConst32Bit,
  kConst64Bit,
  kNumConstZeroes,
  kNumConstOnes,
  kUncondBranches,
  kBinaryConstArg,
  kNumAShrInst,
  kNumAddInst,
  kNumAllocaInst,
  kNumAndInst,
  kBlockMid,
  kBlockLow,
  kNumBitCastInst,
  kNumBrInst,
  kNumCallInst,
  kNumGetElementPtrInst,
  kNumICmpInst,
  kNumLShrInst,
  kNumLoadInst,
  kNumMulInst,
  kNumOrInst,
  kNumPHIInst,
  kNumRetInst,
  kNumSExtInst,
  kNumSelectInst,
  kNumShlInst,
  kNumStoreInst,
  kNumSubInst,
  kNumTruncInst,
  kNumXorInst,
  kNumZExtInst,
  kTotalBlocks,
  kTotalInsts,
  kTotalMemInst,
  kTotalFuncs,
  kArgsPhi,
  kTestUnary,
  kFeatureCount
};
static_assert(kFeatureCount == kAutophaseSize, "agents were trained on 56 features");

using Features = std::array<int64_t, kAutophaseSize>;

struct OpcodeFeature {
  Feature feature;
  unsigned opcode;
};

constexpr OpcodeFeature kOpcodeFeatures[] = {
    {kNumAShrInst, llvm::Instruction::AShr},
    {kNumAddInst, llvm::Instruction::Add},
    {kNumAllocaInst, llvm::Instruction::Alloca},
    {kNumAndInst, llvm::Instruction::And},
    {kNumBitCastInst, llvm::Instruction::BitCast},
    {kNumBrInst, llvm::Instruction::Br},
    {kNumCallInst, llvm::Instruction::Call},
    {kNumGetElementPtrInst, llvm::Instruction::GetElementPtr},
    {kNumICmpInst, llvm::Instruction::ICmp},
    {kNumLShrInst, llvm::Instruction::LShr},
    {kNumLoadInst, llvm::Instruction::Load},
    {kNumMulInst, llvm::Instruction::Mul},
    {kNumOrInst, llvm::Instruction::Or},
    {kNumPHIInst, llvm::Instruction::PHI},
    {kNumRetInst, llvm::Instruction::Ret},
    {kNumSExtInst, llvm::Instruction::SExt},
    {kNumSelectInst, llvm::Instruction::Select},
    {kNumShlInst, llvm::Instruction::Shl},
    {kNumStoreInst, llvm::Instruction::Store},
    {kNumSubInst, llvm::Instruction::Sub},
    {kNumTruncInst, llvm::Instruction::Trunc},
    {kNumXorInst, llvm::Instruction::Xor},
    {kNumZExtInst, llvm::Instruction::ZExt},
};

constexpr unsigned kMemoryOpcodes[] = {
    llvm::Instruction::GetElementPtr, llvm::Instruction::Load,   llvm::Instruction::Store,
    llvm::Instruction::Call,          llvm::Instruction::Invoke, llvm::Instruction::Alloca,
};

// The shape of the control-flow graph around one block. A predecessor counts once for each edge.
void CountEdges(const llvm::BasicBlock& block, Features& features) {
  const llvm::Instruction* terminator = block.getTerminator();
  const unsigned successors = terminator->getNumSuccessors();
  const unsigned predecessors = llvm::pred_size(&block);
  features[kNumEdges] += successors;
  for (unsigned i = 0; i < successors; ++i) {
    features[kCriticalCount] += llvm::isCriticalEdge(terminator, i);
  }
  features[kOnePred] += predecessors == 1;
  features[kTwoPred] += predecessors == 2;
  features[kMorePreds] += predecessors > 2;
  features[kOneSuccessor] += successors == 1;
  features[kTwoSuccessor] += successors == 2;
  features[kOnePredOneSuc] += predecessors == 1 && successors == 1;
  features[kOnePredTwoSuc] += predecessors == 1 && successors == 2;
  features[kTwoPredOneSuc] += predecessors == 2 && successors == 1;
  features[kTwoEach] += predecessors == 2 && successors == 2;
}

void CountPhis(const llvm::BasicBlock& block, Features& features) {
  int64_t phis = 0;
  int64_t incoming = 0;
  for (const llvm::PHINode& phi : block.phis()) {
    ++phis;
    incoming += phi.getNumIncomingValues();
  }
  features[kArgsPhi] += incoming;
  features[kBBNumArgsHi] += incoming > 5;
  features[kBBNumArgsLo] += incoming >= 1 && incoming <= 5;
  features[kBBNoPhi] += phis == 0;
  features[kBB03Phi] += phis >= 1 && phis <= 3;
  features[kBBHiPhi] += phis > 3;
  features[kBeginPhi] += phis > 0;
}

void CountConstants(const llvm::Instruction& instruction, Features& features) {
  for (const llvm::Value* operand : instruction.operand_values()) {
    const auto* constant = llvm::dyn_cast<llvm::ConstantInt>(operand);
    if (constant == nullptr) continue;
    features[kConst32Bit] += constant->getBitWidth() == 32;
    features[kConst64Bit] += constant->getBitWidth() == 64;
    features[kNumConstZeroes] += constant->isZero();
    features[kNumConstOnes] += constant->isOne();
  }
  features[kBinaryConstArg] += llvm::isa<llvm::BinaryOperator>(instruction) &&
                               (llvm::isa<llvm::Constant>(instruction.getOperand(0)) ||
                                llvm::isa<llvm::Constant>(instruction.getOperand(1)));
}

void CountInstruction(const llvm::Instruction& instruction, Features& features) {
  CountConstants(instruction, features);
  features[kTestUnary] += llvm::isa<llvm::UnaryInstruction>(instruction);
  if (const auto* branch = llvm::dyn_cast<llvm::BranchInst>(&instruction)) {
    ++features[kBranchCount];
    features[kUncondBranches] += branch->isUnconditional();
  } else if (const auto* call = llvm::dyn_cast<llvm::CallInst>(&instruction)) {
    const llvm::Function* callee = call->getCalledFunction();
    features[kReturnInt] += callee != nullptr && callee->getReturnType()->isIntegerTy();
  }
}

}  // namespace

std::array<int64_t, kAutophaseSize> Autophase(const llvm::Module& module) {
  Features features{};
  for (const llvm::Function& function : module) {
    for (const llvm::BasicBlock& block : function) {
      CountEdges(block, features);
      CountPhis(block, features);
      features[kBlockLow] += block.size() < 15;
      features[kBlockMid] += block.size() >= 15 && block.size() <= 500;
      for (const llvm::Instruction& instruction : block) CountInstruction(instruction, features);
    }
  }
  const std::array<int64_t, kInstCountSize> counts = InstCount(module);
  features[kTotalInsts] = counts[0];
  features[kTotalBlocks] = counts[1];
  features[kTotalFuncs] = counts[2];
  for (const OpcodeFeature& row : kOpcodeFeatures) features[row.feature] = counts[2 + row.opcode];
  for (const unsigned opcode : kMemoryOpcodes) features[kTotalMemInst] += counts[2 + opcode];
  return features;
}

}  // namespace holdfast::llvm_session
