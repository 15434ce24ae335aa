#include "worker/llvm/module_sha1.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/ModuleSummaryIndex.h"

namespace holdfast::llvm_session {

std::string ModuleSha1(const llvm::Module& module) {
  llvm::SmallVector<char, 0> bitcode;
  llvm::BitcodeWriter writer(bitcode);
  llvm::ModuleHash hash;
  writer.writeModule(module, /*ShouldPreserveUseListOrder=*/false, /*Index=*/nullptr,
                     /*GenerateHash=*/true, &hash);
  writer.writeStrtab();  // The writer insists.
  std::string digits;
  for (const uint32_t word : hash) absl::StrAppend(&digits, absl::Hex(word, absl::kZeroPad8));
  return digits;
}

}  // namespace holdfast::llvm_session
