#include "tests/worker/llvm/ir_text.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace holdfast::llvm_session {
namespace {

// As in the language reference, in the order of LLVM's numbers. Two have no text.
constexpr absl::string_view kOpcodes[] = {"ret",
                                          "br",
                                          "switch",
                                          "indirectbr",
                                          "invoke",
                                          "resume",
                                          "unreachable",
                                          "cleanupret",
                                          "catchret",
                                          "catchswitch",
                                          "callbr",
                                          "fneg",
                                          "add",
                                          "fadd",
                                          "sub",
                                          "fsub",
                                          "mul",
                                          "fmul",
                                          "udiv",
                                          "sdiv",
                                          "fdiv",
                                          "urem",
                                          "srem",
                                          "frem",
                                          "shl",
                                          "lshr",
                                          "ashr",
                                          "and",
                                          "or",
                                          "xor",
                                          "alloca",
                                          "load",
                                          "store",
                                          "getelementptr",
                                          "fence",
                                          "cmpxchg",
                                          "atomicrmw",
                                          "trunc",
                                          "zext",
                                          "sext",
                                          "fptoui",
                                          "fptosi",
                                          "uitofp",
                                          "sitofp",
                                          "fptrunc",
                                          "fpext",
                                          "ptrtoint",
                                          "inttoptr",
                                          "bitcast",
                                          "addrspacecast",
                                          "cleanuppad",
                                          "catchpad",
                                          "icmp",
                                          "fcmp",
                                          "phi",
                                          "call",
                                          "select",
                                          "(user op 1)",
                                          "(user op 2)",
                                          "va_arg",
                                          "extractelement",
                                          "insertelement",
                                          "shufflevector",
                                          "extractvalue",
                                          "insertvalue",
                                          "landingpad",
                                          "freeze"};

// Where the vector begins.
enum { kInstructions, kBlocks, kFunctions, kFirstOpcode };

// Instructions are indented by two spaces; what goes on in the next line, by more, but for the `]`
// that ends a switch.
bool IsInstruction(absl::string_view line) {
  return line.size() > 2 && absl::StartsWith(line, "  ") && line[2] != ' ' && line[2] != ']';
}

// `%1 = tail call i32 @f()`: call.
absl::string_view OpcodeOf(absl::string_view line) {
  std::vector<absl::string_view> words = absl::StrSplit(line.substr(2), absl::MaxSplits(' ', 4));
  size_t i = words.size() > 2 && words[1] == "=" ? 2 : 0;
  const bool is_marked = words[i] == "tail" || words[i] == "musttail" || words[i] == "notail";
  if (is_marked && i + 1 < words.size()) ++i;
  return words[i];
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> InstCountOfText(absl::string_view ir) {
  std::vector<int64_t> counts(kFirstOpcode + std::size(kOpcodes));
  bool is_inside = false;
  bool is_first_line = false;
  for (const absl::string_view line : absl::StrSplit(ir, '\n')) {
    if (!is_inside) {
      is_inside = absl::StartsWith(line, "define ");
      is_first_line = is_inside;
      if (is_inside || absl::StartsWith(line, "declare ")) ++counts[kFunctions];
      continue;
    }
    if (line == "}") {
      is_inside = false;
    } else if (IsInstruction(line)) {
      const auto* const opcode =
          std::find(std::begin(kOpcodes), std::end(kOpcodes), OpcodeOf(line));
      if (opcode == std::end(kOpcodes)) {
        return absl::InvalidArgumentError(absl::StrCat("no instruction: ", line));
      }
      ++counts[kInstructions];
      ++counts[kFirstOpcode + (opcode - std::begin(kOpcodes))];
      if (is_first_line) ++counts[kBlocks];  // Of a first block without a name.
      is_first_line = false;
    } else if (!line.empty() && line[0] != ' ') {
      ++counts[kBlocks];  // Its label.
      is_first_line = false;
    }
  }
  return counts;
}

}  // namespace holdfast::llvm_session
