#include "worker/llvm/use_lists.h"

#include <vector>

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InstIterator.h"

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

}  // namespace holdfast::llvm_session
