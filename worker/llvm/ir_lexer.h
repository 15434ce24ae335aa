// Takes LLVM's textual IR apart.
#ifndef HOLDFAST_WORKER_LLVM_IR_LEXER_H_
#define HOLDFAST_WORKER_LLVM_IR_LEXER_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "worker/llvm/ir_token_kinds.h"

namespace holdfast::llvm_session {

struct IrToken {
  const IrTokenKind* kind;
  absl::string_view value;  // The token itself, with quotes and sigils; part of the text.
};

// All tokens of `text`, which must outlive them: between them are white space and comments only.
// They begin and end where those of LLVM's own lexer do. What is no token has the kind Error.
std::vector<IrToken> LexIr(absl::string_view text);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_IR_LEXER_H_
