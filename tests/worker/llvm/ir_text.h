// Counts instructions in the text of a module, by its lines alone.
#ifndef HOLDFAST_TESTS_WORKER_LLVM_IR_TEXT_H_
#define HOLDFAST_TESTS_WORKER_LLVM_IR_TEXT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace holdfast::llvm_session {

// What the observation InstCount should be: instructions, blocks, functions, then a count for each
// opcode in LLVM's order. `ir` is as llvm-dis-19 prints it. INVALID_ARGUMENT with the line that is
// not understood.
absl::StatusOr<std::vector<int64_t>> InstCountOfText(absl::string_view ir);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_TESTS_WORKER_LLVM_IR_TEXT_H_
