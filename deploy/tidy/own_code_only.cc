// A plugin for clang-tidy-14: the checks see our own code only. Without it they look at every
// declaration of the system headers too, of gRPC's, LLVM's and generated ones, which takes most of
// the time, and what they find there is thrown away. clang-tidy 22 is made so itself.
#include <memory>
#include <string>
#include <vector>

#include "clang/AST/ASTConsumer.h"
#include "clang/AST/ASTContext.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Frontend/FrontendPluginRegistry.h"

namespace {

class OwnCodeOnly : public clang::ASTConsumer {
 public:
  void HandleTranslationUnit(clang::ASTContext& context) override {
    std::vector<clang::Decl*> own;
    // What is in the precompiled header but not used is not even loaded.
    for (clang::Decl* declaration : context.getTranslationUnitDecl()->noload_decls()) {
      if (!context.getSourceManager().isInSystemHeader(declaration->getLocation())) {
        own.push_back(declaration);
      }
    }
    context.setTraversalScope(own);
  }
};

class OwnCodeOnlyAction : public clang::PluginASTAction {
 public:
  ActionType getActionType() override { return AddBeforeMainAction; }

  bool ParseArgs(const clang::CompilerInstance& /*compiler*/,
                 const std::vector<std::string>& /*arguments*/) override {
    return true;
  }

 private:
  std::unique_ptr<clang::ASTConsumer> CreateASTConsumer(clang::CompilerInstance& /*compiler*/,
                                                        llvm::StringRef /*file*/) override {
    return std::make_unique<OwnCodeOnly>();
  }
};

const clang::FrontendPluginRegistry::Add<OwnCodeOnlyAction> registered("own-code-only", "");

}  // namespace
