// The vocabulary of LLVM's textual IR.
#ifndef HOLDFAST_WORKER_LLVM_IR_TOKEN_KINDS_H_
#define HOLDFAST_WORKER_LLVM_IR_TOKEN_KINDS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace holdfast::llvm_session {

struct IrTokenKind {
  int id = 0;  // From 0; the same for ever, and never another kind's.
  std::string name;
  std::string category;
};

// The kinds that are told by their form; each is its id. All others are words.
enum class IrForm {
  kError,
  kDotDotDot,
  kEqual,
  kComma,
  kStar,
  kLSquare,
  kRSquare,
  kLBrace,
  kRBrace,
  kLess,
  kGreater,
  kLParen,
  kRParen,
  kExclaim,
  kBar,
  kColon,
  kHash,
  kLabelId,
  kGlobalId,
  kLocalVarId,
  kAttrGrpId,
  kSummaryId,
  kLabelStr,
  kGlobalVar,
  kComdatVar,
  kLocalVar,
  kMetadataVar,
  kStringConstant,
  kApFloat,
  kApsInt,
  kIntegerType,
  kDwarfTag,
  kDwarfAttEncoding,
  kDwarfVirtuality,
  kDwarfLang,
  kDwarfCc,
  kDwarfOp,
  kDwarfMacinfo,
  kDiFlag,
  kDispFlag,
  kChecksumKind,
};

// All kinds, by increasing id; there are gaps between ids.
const std::vector<IrTokenKind>& IrTokenKinds();

const IrTokenKind& KindOf(IrForm form);

// The kind of a keyword, a type's name or another word; that of IrForm::kError if it is none.
const IrTokenKind& KindOfWord(absl::string_view word);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_IR_TOKEN_KINDS_H_
