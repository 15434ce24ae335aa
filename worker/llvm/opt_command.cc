#include "worker/llvm/opt_command.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "llvm/Config/llvm-config.h"
#include "worker/llvm/pass_runner.h"

namespace holdfast::llvm_session {
namespace {

// The session, too, keeps no names of local values: with them a module has another text.
static_assert(LLVM_VERSION_MAJOR == 19);
constexpr absl::string_view kOpt = "opt-19 -discard-value-names";
constexpr size_t kMaxCommand = 1 << 20;

// One word of a POSIX shell's command line.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

}  // namespace

absl::StatusOr<std::string> OptCommand(absl::Span<const Pass> passes, const llvm::Module& module) {
  std::string command;
  std::string input = "program.bc";
  int output = 0;
  for (const Pass& pass : passes) {
    if (pass.hint.kind != LoopHint::Kind::kNone) {
      return absl::UnimplementedError(absl::StrCat(
          "opt-19 cannot do ", pass.name, ": it has no pass that sets the metadata of loops"));
    }
    const absl::string_view pipeline = PipelineFor(pass, module);
    if (pipeline.empty()) continue;
    const std::string next = absl::StrCat(++output, ".bc");
    absl::StrAppend(&command, output > 1 ? " && " : "", kOpt, " ", input, " -o ", next,
                    " -passes=", Quoted(pipeline));
    if (command.size() >= kMaxCommand) {
      return absl::ResourceExhaustedError(absl::StrCat("the command for ", passes.size(),
                                                       " changes is longer than the ", kMaxCommand,
                                                       " bytes that an answer may have"));
    }
    input = next;
  }
  return command;
}

}  // namespace holdfast::llvm_session
