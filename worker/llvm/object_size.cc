#include "worker/llvm/object_size.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBufferRef.h"
#include "llvm/Support/raw_ostream.h"
#include "worker/llvm/compute_in_child.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/target.h"

namespace holdfast::llvm_session {
namespace {

// sqlite3.c (265,000 instructions) takes 1 s.
constexpr absl::Duration kLimit = absl::Seconds(60);

absl::StatusOr<int64_t> TextSize(const llvm::object::ObjectFile& object) {
  if (!object.isELF()) return absl::InvalidArgumentError("not an ELF file");
  int64_t bytes = 0;
  for (const llvm::object::ELFSectionRef section : object.sections()) {
    const uint64_t flags = section.getFlags();
    const bool is_fixed = (flags & llvm::ELF::SHF_WRITE) == 0;
    const bool is_code = (flags & llvm::ELF::SHF_EXECINSTR) != 0;
    if ((flags & llvm::ELF::SHF_ALLOC) != 0 && (is_fixed || is_code)) {
      bytes += static_cast<int64_t>(section.getSize());
    }
  }
  return bytes;
}

absl::Status CannotRead(llvm::Error error) {
  return absl::InvalidArgumentError(
      absl::StrCat("not an object file: ", llvm::toString(std::move(error))));
}

// What clang does at -O0. Consumes the module.
absl::StatusOr<llvm::SmallVector<char, 0>> Compile(llvm::Module& module) {
  const std::unique_ptr<llvm::TargetMachine> target = MakeCodeGenerator(module);
  if (target == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the module's target triple is \"", module.getTargetTriple(),
                     "\", must be one of X86, as x86_64-pc-linux-gnu"));
  }
  if (module.getDataLayoutStr().empty()) module.setDataLayout(target->createDataLayout());
  if (absl::Status ran = RunPipeline("default<O0>", module); !ran.ok()) return ran;
  llvm::SmallVector<char, 0> object;
  llvm::raw_svector_ostream stream(object);
  llvm::legacy::PassManager passes;
  if (target->addPassesToEmitFile(passes, stream, /*DwoOut=*/nullptr,
                                  llvm::CodeGenFileType::ObjectFile)) {
    return absl::InternalError("LLVM cannot write object files for this target");
  }
  absl::Status ran =
      CatchErrors(module.getContext(), "code generation", [&] { passes.run(module); });
  if (!ran.ok()) return ran;
  return object;
}

// Runs in the child.
absl::StatusOr<std::string> CompileAndMeasure(llvm::Module& module) {
  absl::StatusOr<llvm::SmallVector<char, 0>> bytes = Compile(module);
  if (!bytes.ok()) return bytes.status();
  llvm::Expected<std::unique_ptr<llvm::object::ObjectFile>> object =
      llvm::object::ObjectFile::createObjectFile(
          llvm::MemoryBufferRef(llvm::StringRef(bytes->data(), bytes->size()), "-"));
  if (!object) return CannotRead(object.takeError());
  const absl::StatusOr<int64_t> size = TextSize(**object);
  if (!size.ok()) return size.status();
  return absl::StrCat(*size);
}

}  // namespace

absl::StatusOr<int64_t> TextSizeOfFile(const std::string& path) {
  llvm::Expected<llvm::object::OwningBinary<llvm::object::ObjectFile>> object =
      llvm::object::ObjectFile::createObjectFile(path);
  if (!object) return CannotRead(object.takeError());
  return TextSize(*object->getBinary());
}

absl::StatusOr<int64_t> ObjectTextSize(llvm::Module& module) {
  const absl::StatusOr<std::string> text =
      ComputeInChild(kLimit, [&module] { return CompileAndMeasure(module); });
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat("Compiling to an object file: ", text.status().message()));
  }
  int64_t bytes = 0;
  if (!absl::SimpleAtoi(*text, &bytes)) return absl::InternalError("the size is no number");
  return bytes;
}

}  // namespace holdfast::llvm_session
