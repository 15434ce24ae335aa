#include "worker/llvm/module_loader.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/SourceMgr.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/source_compiler.h"

namespace holdfast::llvm_session {
namespace {

constexpr absl::string_view kBitcodeMagic("BC\xC0\xDE", 4);
constexpr absl::string_view kBitcodeWrapperMagic("\xDE\xC0\x17\x0B", 4);

bool LooksLikeIr(absl::string_view text) {
  text = absl::StripLeadingAsciiWhitespace(text);
  if (text.empty()) return false;
  // A comment of IR (no C program begins with an empty declaration), or a name of IR's own.
  if (absl::StrContains(";@%!$^", text.front())) return true;
  // Words that begin a line of IR and are not used as a name of C.
  static const llvm::Regex kFirstLine(
      "^(source_filename *=|attributes *#|target +(triple|datalayout)|module +asm|"
      "(define|declare) +[^ (;=,*]|uselistorder)");
  return kFirstLine.match(llvm::StringRef(text.data(), text.size()));
}

absl::StatusOr<std::unique_ptr<llvm::Module>> ParseIr(absl::string_view contents,
                                                      llvm::LLVMContext& context) {
  SilenceWarnings(context);
  // LLVM refuses to parse text while names are being discarded.
  context.setDiscardValueNames(false);
  // The lexer needs a terminating NUL, hence the copy.
  const std::unique_ptr<llvm::MemoryBuffer> buffer =
      llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(contents.data(), contents.size()), "-");
  llvm::SMDiagnostic error;
  std::unique_ptr<llvm::Module> module = llvm::parseAssembly(*buffer, error, context);
  if (module == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "Failed to parse LLVM IR: line ", error.getLineNo(), ", column ", error.getColumnNo() + 1,
        ": ", absl::string_view(error.getMessage().data(), error.getMessage().size())));
  }
  for (llvm::Function& function : *module) {
    for (llvm::Argument& argument : function.args()) argument.setName("");
    for (llvm::BasicBlock& block : function) block.setName("");
    for (llvm::Instruction& instruction : llvm::instructions(function)) instruction.setName("");
  }
  context.setDiscardValueNames(true);
  return module;
}

void RemoveOrigin(llvm::Module& module) {
  module.setModuleIdentifier("-");
  module.setSourceFileName("-");
  llvm::StripDebugInfo(module);
  std::vector<llvm::NamedMDNode*> unwanted;
  for (llvm::NamedMDNode& node : module.named_metadata()) {
    if (&node != module.getModuleFlagsMetadata()) unwanted.push_back(&node);
  }
  for (llvm::NamedMDNode* node : unwanted) module.eraseNamedMetadata(node);
}

}  // namespace

SourceKind SniffSourceKind(absl::string_view contents) {
  if (absl::StartsWith(contents, kBitcodeMagic) ||
      absl::StartsWith(contents, kBitcodeWrapperMagic) || absl::StrContains(contents, '\0')) {
    return SourceKind::kBitcode;
  }
  return LooksLikeIr(contents) ? SourceKind::kTextIr : SourceKind::kSource;
}

absl::StatusOr<std::unique_ptr<llvm::Module>> LoadModule(absl::string_view contents,
                                                         llvm::LLVMContext& context) {
  absl::StatusOr<std::unique_ptr<llvm::Module>> module =
      SniffSourceKind(contents) == SourceKind::kBitcode ? ReadModule(contents, context)
                                                        : ParseIr(contents, context);
  if (!module.ok()) return module;
  RemoveOrigin(**module);
  if (absl::Status status = VerifyModule(**module); !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("Failed to parse LLVM bitcode or IR: ", status.message()));
  }
  KeepWhatBitcodeHolds(**module);
  return module;
}

absl::StatusOr<std::string> ToBitcodeOrIr(absl::string_view contents,
                                          const std::string& scratch_directory) {
  if (contents.empty()) {
    return absl::InvalidArgumentError("File is empty: the benchmark's program has no contents");
  }
  if (SniffSourceKind(contents) == SourceKind::kSource) {
    return CompileSource(contents, scratch_directory);
  }
  return std::string(contents);
}

}  // namespace holdfast::llvm_session
