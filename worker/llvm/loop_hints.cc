#include "worker/llvm/loop_hints.h"

#include <cstdint>

#include "llvm/ADT/SmallVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/Metadata.h"

namespace holdfast::llvm_session {
namespace {

using llvm::MDNode;

// What metadata of a loop is dropped, by the beginning of its name, and what is put there.
struct Rewriting {
  llvm::SmallVector<llvm::StringRef, 2> dropped;
  llvm::SmallVector<MDNode*, 2> added;
};

MDNode* Attribute(llvm::StringRef name, llvm::Constant* value) {
  llvm::LLVMContext& context = value->getContext();
  return MDNode::get(context,
                     {llvm::MDString::get(context, name), llvm::ConstantAsMetadata::get(value)});
}

Rewriting RewritingFor(const LoopHint& hint, llvm::LLVMContext& context) {
  llvm::Constant* const number =
      llvm::ConstantInt::get(llvm::Type::getInt32Ty(context), static_cast<uint64_t>(hint.number));
  switch (hint.kind) {
    case LoopHint::Kind::kNone:
      return {};
    case LoopHint::Kind::kUnrollCount:
      return {{"llvm.loop.unroll."}, {Attribute("llvm.loop.unroll.count", number)}};
    case LoopHint::Kind::kVectorizeWidth:
      return {{"llvm.loop.vectorize.", "llvm.loop.isvectorized"},
              {Attribute("llvm.loop.vectorize.width", number),
               Attribute("llvm.loop.vectorize.enable", llvm::ConstantInt::getTrue(context))}};
  }
  return {};
}

}  // namespace

void HintLoops(const LoopHint& hint, llvm::Module& module) {
  if (hint.kind == LoopHint::Kind::kNone) return;
  llvm::LLVMContext& context = module.getContext();
  const Rewriting rewriting = RewritingFor(hint, context);
  for (llvm::Function& function : module) {
    if (function.isDeclaration()) continue;
    const llvm::DominatorTree dominators(function);
    const llvm::LoopInfo loops(dominators);
    for (llvm::Loop* const loop : loops.getLoopsInPreorder()) {
      if (!loop->isInnermost()) continue;
      loop->setLoopID(llvm::makePostTransformationMetadata(context, loop->getLoopID(),
                                                           rewriting.dropped, rewriting.added));
    }
  }
}

}  // namespace holdfast::llvm_session
