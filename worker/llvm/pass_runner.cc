#include "worker/llvm/pass_runner.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/PassInstrumentation.h"
#include "llvm/IR/PassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Passes/StandardInstrumentations.h"
#include "llvm/Support/raw_ostream.h"
#include "worker/llvm/loop_hints.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/target.h"
#include "worker/llvm/use_lists.h"

namespace holdfast::llvm_session {
namespace {

constexpr size_t kMaxLlvmText = 1024;  // Of a message: clients take 8 KiB with all else.

llvm::StringRef ToLlvm(absl::string_view text) { return {text.data(), text.size()}; }

// Without a handler, LLVM prints every diagnostic and exits on an error.
class FirstErrorKeeper : public llvm::DiagnosticHandler {
 public:
  explicit FirstErrorKeeper(std::string* first_error) : first_error_(first_error) {}

  bool handleDiagnostics(const llvm::DiagnosticInfo& info) override {
    if (info.getSeverity() == llvm::DS_Error && first_error_->empty()) {
      llvm::raw_string_ostream stream(*first_error_);
      llvm::DiagnosticPrinterRawOStream printer(stream);
      info.print(printer);
      if (first_error_->empty()) *first_error_ = "unnamed error";
    }
    return true;
  }

 private:
  std::string* const first_error_;
};

// Analyses and passes are made anew for each action, which costs 3 us: nothing cached can outlive
// the state that it describes, so a replay takes the same decisions.
class Pipeline {
 public:
  // `callbacks` are told of each pass, and outlive this.
  Pipeline(llvm::TargetMachine* target, llvm::PassInstrumentationCallbacks& callbacks)
      : builder_(target, llvm::PipelineTuningOptions(), /*PGOOpt=*/std::nullopt, &callbacks) {
    opt_none_.registerCallbacks(callbacks);
    builder_.registerModuleAnalyses(module_analyses_);
    builder_.registerCGSCCAnalyses(cgscc_analyses_);
    builder_.registerFunctionAnalyses(function_analyses_);
    builder_.registerLoopAnalyses(loop_analyses_);
    builder_.crossRegisterProxies(loop_analyses_, function_analyses_, cgscc_analyses_,
                                  module_analyses_);
  }

  absl::Status Parse(absl::string_view text) {
    if (llvm::Error error = builder_.parsePassPipeline(passes_, ToLlvm(text))) {
      return absl::InvalidArgumentError(absl::StrCat(
          "Not a pass pipeline: ", llvm::toString(std::move(error)).substr(0, kMaxLlvmText)));
    }
    return absl::OkStatus();
  }

  void Run(llvm::Module& module) { passes_.run(module, module_analyses_); }

 private:
  // As in `opt`: functions that are marked `optnone` stay as they are.
  llvm::OptNoneInstrumentation opt_none_{/*DebugLogging=*/false};
  // Destroyed in reverse order: module analyses refer to the inner ones.
  llvm::LoopAnalysisManager loop_analyses_;
  llvm::FunctionAnalysisManager function_analyses_;
  llvm::CGSCCAnalysisManager cgscc_analyses_;
  llvm::ModuleAnalysisManager module_analyses_;
  llvm::PassBuilder builder_;
  llvm::ModulePassManager passes_;
};

absl::Status Run(absl::string_view text, llvm::PassInstrumentationCallbacks& callbacks,
                 llvm::Module& module) {
  if (text.empty()) return absl::OkStatus();
  const std::unique_ptr<llvm::TargetMachine> target = MakeTargetMachine(module);
  Pipeline pipeline(target.get(), callbacks);
  if (absl::Status status = pipeline.Parse(text); !status.ok()) return status;
  return CatchErrors(module.getContext(), text, [&] { pipeline.Run(module); });
}

}  // namespace

absl::Status CatchErrors(llvm::LLVMContext& context, absl::string_view what,
                         llvm::function_ref<void()> run) {
  std::string first_error;
  context.setDiagnosticHandler(std::make_unique<FirstErrorKeeper>(&first_error));
  run();
  context.setDiagnosticHandler(std::make_unique<llvm::DiagnosticHandler>());
  if (first_error.empty()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("LLVM reported an error in ", what.substr(0, kMaxLlvmText), ": ", first_error));
}

absl::Status RunPipeline(absl::string_view text, llvm::Module& module) {
  llvm::PassInstrumentationCallbacks callbacks;
  return Run(text, callbacks, module);
}

absl::string_view PipelineFor(const Pass& pass, const llvm::Module& module) {
  const bool lacks_target =
      pass.quirk == Quirk::kNeedsTarget && MakeTargetMachine(module) == nullptr;
  return lacks_target ? "" : pass.pipeline;
}

absl::Status RunPass(const Pass& pass, llvm::Module& module) {
  HintLoops(pass.hint, module);
  llvm::PassInstrumentationCallbacks callbacks;
  absl::optional<UseListSorter> sorter;
  if (pass.quirk == Quirk::kShufflesUses) sorter.emplace(module, callbacks);
  absl::Status ran = Run(PipelineFor(pass, module), callbacks, module);
  KeepWhatBitcodeHolds(module);
  if (sorter.has_value()) sorter->Finish();
  return ran;
}

absl::Status ParsePipeline(absl::string_view text) {
  // Some passes need a target to be constructed at all, so parsing is tried with one.
  InitializeLlvm();
  llvm::LLVMContext context;
  llvm::Module module("", context);
  module.setTargetTriple("x86_64-unknown-linux-gnu");
  const std::unique_ptr<llvm::TargetMachine> target = MakeTargetMachine(module);
  llvm::PassInstrumentationCallbacks callbacks;
  return Pipeline(target.get(), callbacks).Parse(text);
}

absl::Status VerifyModule(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (!llvm::verifyModule(module, &stream)) return absl::OkStatus();
  stream.flush();
  text.resize(std::min(text.size(), kMaxLlvmText));
  return absl::InternalError(absl::StrCat("The module is invalid: ", text));
}

}  // namespace holdfast::llvm_session
