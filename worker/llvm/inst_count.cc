#include "llvm/IR/Instruction.h"
#include "worker/llvm/instruction_features.h"

namespace holdfast::llvm_session {

static_assert(llvm::Instruction::OtherOpsEnd - 1 == kOpcodes,
              "agents were trained on vectors of LLVM's 67 opcodes");

std::array<int64_t, kInstCountSize> InstCount(const llvm::Module& module) {
  std::array<int64_t, kInstCountSize> counts{};
  int64_t& instructions = counts[0];
  int64_t& blocks = counts[1];
  int64_t& functions = counts[2];
  for (const llvm::Function& function : module) {
    ++functions;
    for (const llvm::BasicBlock& block : function) {
      ++blocks;
      for (const llvm::Instruction& instruction : block) {
        ++instructions;
        ++counts[2 + instruction.getOpcode()];
      }
    }
  }
  return counts;
}

}  // namespace holdfast::llvm_session
