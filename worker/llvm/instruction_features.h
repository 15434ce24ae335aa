// Fixed-length integer vectors that describe a module's instructions.
#ifndef HOLDFAST_WORKER_LLVM_INSTRUCTION_FEATURES_H_
#define HOLDFAST_WORKER_LLVM_INSTRUCTION_FEATURES_H_

#include <array>
#include <cstdint>

#include "llvm/IR/Module.h"

namespace holdfast::llvm_session {

// LLVM's opcodes are numbered 1 to 67, in the order of Instruction.def.
inline constexpr int kOpcodes = 67;

inline constexpr int kInstCountSize = 3 + kOpcodes;
inline constexpr int kAutophaseSize = 56;

// Instructions, basic blocks, functions (declarations included), then a count for each opcode.
std::array<int64_t, kInstCountSize> InstCount(const llvm::Module& module);

// The 56 features of Autophase, in CompilerGym's order. README.md says what each counts.
std::array<int64_t, kAutophaseSize> Autophase(const llvm::Module& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_INSTRUCTION_FEATURES_H_
