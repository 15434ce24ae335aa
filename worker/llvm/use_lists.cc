#include "worker/llvm/use_lists.h"

#include <algorithm>
#include <vector>

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InstIterator.h"
#include "worker/llvm/pass_tables.h"

namespace holdfast::llvm_session {
namespace {

// All that uses something in a module, numbered: first by its place, then constants as they are
// met.
class Users {
 public:
  explicit Users(llvm::Module& module) {
    for (llvm::GlobalVariable& global : module.globals()) Add(&global);
    for (llvm::GlobalAlias& alias : module.aliases()) Add(&alias);
    for (llvm::GlobalIFunc& ifunc : module.ifuncs()) Add(&ifunc);
    for (llvm::Function& function : module) {
      Add(&function);
      for (llvm::Instruction& instruction : llvm::instructions(function)) Add(&instruction);
    }
    for (size_t next = 0; next < all_.size();) {  // Grows meanwhile.
      for (llvm::Value* const operand : all_[next++]->operand_values()) {
        if (auto* const constant = llvm::dyn_cast<llvm::Constant>(operand)) Add(constant);
      }
    }
  }

  const std::vector<llvm::User*>& all() const { return all_; }
  // 0: of no use to the module, as a constant that nothing refers to.
  size_t NumberOf(const llvm::User* user) const { return numbers_.lookup(user); }

 private:
  void Add(llvm::User* user) {
    if (numbers_.try_emplace(user, all_.size() + 1).second) all_.push_back(user);
  }

  std::vector<llvm::User*> all_;
  llvm::DenseMap<const llvm::User*, size_t> numbers_;
};

bool ShufflesUses(llvm::StringRef pass) {
  static const auto* const kNames = [] {
    auto* names = new std::vector<llvm::StringRef>;
    for (const Pass& row : UnsafePasses()) {
      if (row.quirk == Quirk::kShufflesUses) names->emplace_back(row.name.data(), row.name.size());
    }
    return names;
  }();
  return std::find(kNames->begin(), kNames->end(), pass) != kNames->end();
}

const llvm::Function* FunctionOf(const llvm::Any& unit) {
  const auto* const function = llvm::any_cast<const llvm::Function*>(&unit);
  return function == nullptr ? nullptr : *function;
}

}  // namespace

void SortUseLists(llvm::Module& module) {
  const Users users(module);
  const auto comes_first = [&users](const llvm::Use& a, const llvm::Use& b) {
    if (a.getUser() == b.getUser()) return a.getOperandNo() > b.getOperandNo();
    return users.NumberOf(a.getUser()) > users.NumberOf(b.getUser());
  };
  llvm::DenseSet<const llvm::Value*> sorted;
  for (llvm::User* const user : users.all()) {
    for (llvm::Value* const operand : user->operand_values()) {
      if (sorted.insert(operand).second) operand->sortUseList(comes_first);
    }
  }
}

UseListSorter::UseListSorter(llvm::Module& module, llvm::PassInstrumentationCallbacks& callbacks)
    : module_(module) {
  callbacks.registerAfterPassCallback([this, &callbacks](llvm::StringRef id, const llvm::Any& unit,
                                                         const llvm::PreservedAnalyses&) {
    const llvm::StringRef pass = callbacks.getPassNameForClassName(id);
    if (!ShufflesUses(pass)) return;
    pass_ = pass.str();
    function_ = FunctionOf(unit);
  });
  callbacks.registerBeforeNonSkippedPassCallback(
      [this, &callbacks](llvm::StringRef id, const llvm::Any& unit) {
        if (pass_.empty() || llvm::isSpecialPass(id, {"PassManager", "PassAdaptor"})) return;
        // The same pass on the next function: sorting for each would take the square of all.
        const bool goes_on =
            callbacks.getPassNameForClassName(id) == pass_ && FunctionOf(unit) != function_;
        if (!goes_on) Finish();
      });
}

void UseListSorter::Finish() {
  if (pass_.empty()) return;
  SortUseLists(module_);
  pass_.clear();
}

}  // namespace holdfast::llvm_session
