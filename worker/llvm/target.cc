#include "worker/llvm/target.h"

#include <unistd.h>

#include <cstring>
#include <string>

#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Triple.h"

namespace holdfast::llvm_session {
namespace {

// LLVM ends the process after this returns. Plain write(): the heap may be what is broken.
void WriteFatalError(void* /*data*/, const char* reason, bool /*generate_crash_diagnostics*/) {
  static constexpr char kPrefix[] = "LLVM ERROR: ";
  ssize_t ignored = write(STDERR_FILENO, kPrefix, sizeof(kPrefix) - 1);
  ignored = write(STDERR_FILENO, reason, strlen(reason));
  ignored = write(STDERR_FILENO, "\n", 1);
  (void)ignored;
}

// Null: the triple is missing, or not of X86.
const llvm::Target* FindTarget(const llvm::Triple& triple) {
  if (triple.getArch() == llvm::Triple::UnknownArch) return nullptr;
  std::string error;
  return llvm::TargetRegistry::lookupTarget(triple.str(), error);
}

}  // namespace

void InitializeLlvm() {
  static const bool initialized = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    llvm::install_fatal_error_handler(WriteFatalError);
    // Else std::bad_alloc would pass through LLVM, which is built without exceptions.
    llvm::install_out_of_memory_new_handler();
    return true;
  }();
  (void)initialized;
}

std::unique_ptr<llvm::TargetMachine> MakeTargetMachine(const llvm::Module& module) {
  const llvm::Triple triple(module.getTargetTriple());
  const llvm::Target* target = FindTarget(triple);
  if (target == nullptr) return nullptr;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple.str(), /*CPU=*/"", /*Features=*/"", llvm::TargetOptions(),
      /*RM=*/std::nullopt, /*CM=*/std::nullopt, llvm::CodeGenOptLevel::Default));
}

std::unique_ptr<llvm::TargetMachine> MakeCodeGenerator(const llvm::Module& module) {
  const llvm::Triple triple(module.getTargetTriple());
  const llvm::Target* target = FindTarget(triple);
  if (target == nullptr) return nullptr;
  llvm::TargetOptions options;
  options.UseInitArray = true;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;  // -ffp-contract=on
  // Functions that name a processor, as all that clang has compiled, go by that.
  const char* const cpu = triple.isArch64Bit() ? "x86-64" : "i686";
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple.str(), cpu, /*Features=*/"", options, llvm::Reloc::PIC_,
                                  /*CM=*/std::nullopt, llvm::CodeGenOptLevel::None));
}

}  // namespace holdfast::llvm_session
