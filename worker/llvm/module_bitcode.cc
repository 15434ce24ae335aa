#include "worker/llvm/module_bitcode.h"

#include <cstdint>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/Attributes.h"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/ValueSymbolTable.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

namespace holdfast::llvm_session {
namespace {

// ValueSymbolTable::LastUnique is private, without an accessor. An explicit instantiation may name
// it all the same.
using NameCounter = uint32_t llvm::ValueSymbolTable::*;
NameCounter GetNameCounter();
template <NameCounter counter>
struct NameCounterAccess {
  friend NameCounter GetNameCounter() { return counter; }
};
template struct NameCounterAccess<&llvm::ValueSymbolTable::LastUnique>;

// LLVM's greatest alignment, 2^32, is none to the reader where it is an attribute: it reads 32
// bits.
llvm::AttributeList WithoutGreatestAlignment(llvm::LLVMContext& context,
                                             llvm::AttributeList attributes) {
  if (!attributes.hasAttrSomewhere(llvm::Attribute::Alignment)) return attributes;
  for (const unsigned index : attributes.indexes()) {
    const llvm::MaybeAlign align = attributes.getAttributes(index).getAlignment();
    if (!align || align->value() != llvm::Value::MaximumAlignment) continue;
    attributes = attributes.removeAttributeAtIndex(context, index, llvm::Attribute::Alignment);
  }
  return attributes;
}

class Silent : public llvm::DiagnosticHandler {
 public:
  bool handleDiagnostics(const llvm::DiagnosticInfo&) override { return true; }
};

}  // namespace

void KeepWhatBitcodeHolds(llvm::Module& module) {
  module.getContext().getMDKindID("loop_constrainer.loop.clone");
  module.getValueSymbolTable().*GetNameCounter() = 0;
  for (llvm::GlobalValue& global : module.global_values()) global.removeDeadConstantUsers();
  for (llvm::Function& function : module) {
    llvm::LLVMContext& context = function.getContext();
    const llvm::Intrinsic::ID id = function.getIntrinsicID();
    function.setAttributes(id == llvm::Intrinsic::not_intrinsic
                               ? WithoutGreatestAlignment(context, function.getAttributes())
                               : llvm::Intrinsic::getAttributes(context, id));
    for (llvm::Instruction& instruction : llvm::instructions(function)) {
      if (auto* const call = llvm::dyn_cast<llvm::CallBase>(&instruction)) {
        call->setAttributes(WithoutGreatestAlignment(context, call->getAttributes()));
      }
    }
  }
}

void WriteModule(const llvm::Module& module, std::string* bitcode) {
  llvm::raw_string_ostream stream(*bitcode);
  llvm::WriteBitcodeToFile(module, stream, /*ShouldPreserveUseListOrder=*/true);
}

absl::Status WriteBitcodeFile(const llvm::Module& module, const std::string& path) {
  std::error_code error;
  llvm::raw_fd_ostream file(path, error);
  if (!error) {
    llvm::WriteBitcodeToFile(module, file);
    file.close();
    error = file.error();
    file.clear_error();
  }
  if (!error) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cannot write ", path, ": ", error.message()));
}

void SilenceWarnings(llvm::LLVMContext& context) {
  context.setDiagnosticHandler(std::make_unique<Silent>());
}

absl::StatusOr<std::unique_ptr<llvm::Module>> ReadModule(absl::string_view bitcode,
                                                         llvm::LLVMContext& context) {
  SilenceWarnings(context);
  context.setDiscardValueNames(true);
  const llvm::MemoryBufferRef buffer(llvm::StringRef(bitcode.data(), bitcode.size()), "-");
  llvm::Expected<std::unique_ptr<llvm::Module>> module = llvm::parseBitcodeFile(buffer, context);
  if (!module) {
    return absl::InvalidArgumentError(
        absl::StrCat("Failed to parse LLVM bitcode: ", llvm::toString(module.takeError())));
  }
  return std::move(*module);
}

}  // namespace holdfast::llvm_session
