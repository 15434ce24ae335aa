#include "worker/llvm/module_bitcode.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/InstrTypes.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/module_digest.h"
#include "worker/llvm/module_loader.h"

namespace holdfast::llvm_session {
namespace {

constexpr char kIr[] =
    "@g = internal global [4 x i8] zeroinitializer\n"
    "declare i32 @llvm.ctpop.i32(i32)\n"
    "define i32 @f(i32 %a) {\n"
    "  %b = call i32 @llvm.ctpop.i32(i32 %a)\n"
    "  ret i32 %b\n"
    "}\n";

class ModuleBitcodeTest : public testing::Test {
 protected:
  ModuleBitcodeTest() : module_(*LoadModule(kIr, context_)) {}

  // The name that LLVM gives to one more global that wants to be `g`.
  std::string NextName() {
    auto* global =
        new llvm::GlobalVariable(*module_, llvm::Type::getInt8Ty(context_), /*isConstant=*/false,
                                 llvm::GlobalValue::ExternalLinkage, /*Initializer=*/nullptr, "g");
    std::string name = global->getName().str();
    global->eraseFromParent();
    return name;
  }

  llvm::LLVMContext context_;
  std::unique_ptr<llvm::Module> module_;
};

TEST_F(ModuleBitcodeTest, NamesAreCountedAnew) {
  EXPECT_EQ(NextName(), "g.1");
  EXPECT_EQ(NextName(), "g.2") << "LLVM counts all names that it has ever given";
  KeepWhatBitcodeHolds(*module_);
  EXPECT_EQ(NextName(), "g.1");
}

TEST_F(ModuleBitcodeTest, UnusedConstantsNoLongerCountAsUses) {
  llvm::GlobalVariable* global = module_->getGlobalVariable("g", /*AllowInternal=*/true);
  llvm::ConstantExpr::getPtrToInt(global, llvm::Type::getInt64Ty(context_));
  EXPECT_FALSE(global->use_empty());
  KeepWhatBitcodeHolds(*module_);
  EXPECT_TRUE(global->use_empty());
}

TEST_F(ModuleBitcodeTest, IntrinsicsHaveTheAttributesThatTheReaderGivesThem) {
  llvm::Function* intrinsic = module_->getFunction("llvm.ctpop.i32");
  const llvm::AttributeList attributes = intrinsic->getAttributes();
  intrinsic->addFnAttr(llvm::Attribute::MustProgress);
  KeepWhatBitcodeHolds(*module_);
  EXPECT_TRUE(intrinsic->getAttributes() == attributes);
}

TEST(ModuleBitcode, GreatestAlignmentIsDroppedAsTheReaderDropsIt) {
  llvm::LLVMContext context, other_context;
  const std::unique_ptr<llvm::Module> module = *LoadModule(
      "define void @f(ptr align 4294967296 %p) {\n"
      "  call void @f(ptr align 4294967296 %p)\n"
      "  call void @f(ptr align 2147483648 %p)\n"
      "  ret void\n"
      "}\n",
      context);
  std::string bitcode;
  WriteModule(*module, &bitcode);
  const std::unique_ptr<llvm::Module> read = *ReadModule(bitcode, other_context);
  EXPECT_EQ(ModuleDigest(*read), ModuleDigest(*module));
  const llvm::Function& f = *module->getFunction("f");
  EXPECT_FALSE(f.hasParamAttribute(0, llvm::Attribute::Alignment));
  std::vector<bool> are_aligned;
  for (const llvm::User* call : f.users()) {
    are_aligned.push_back(llvm::cast<llvm::CallBase>(call)->getParamAlign(0).valueOrOne().value() ==
                          1U << 31);
  }
  EXPECT_EQ(are_aligned, (std::vector<bool>{true, false}));  // Uses are listed from the last.
}

// For each instruction, in order, the numbers of the instructions that use it, in use-list order.
std::vector<std::vector<size_t>> UseOrders(const llvm::Module& module) {
  std::map<const llvm::Value*, size_t> numbers;
  std::vector<std::vector<size_t>> orders;
  for (const llvm::Function& function : module) {
    for (const auto& instruction : llvm::instructions(function)) {
      numbers.emplace(&instruction, numbers.size());
    }
  }
  for (const llvm::Function& function : module) {
    for (const auto& instruction : llvm::instructions(function)) {
      std::vector<size_t>& order = orders.emplace_back();
      for (const llvm::User* user : instruction.users()) order.push_back(numbers.at(user));
    }
  }
  return orders;
}

TEST(ModuleBitcode, HoldsTheOrderOfUseLists) {
  llvm::LLVMContext context, other_context;
  const std::unique_ptr<llvm::Module> module =
      *LoadModule(BitcodeOf(DemoProgram("compressor.c")), context);
  const std::vector<std::vector<size_t>> original = UseOrders(*module);
  for (llvm::Function& function : *module) {
    for (llvm::Instruction& instruction : llvm::instructions(function)) {
      instruction.reverseUseList();
    }
  }
  EXPECT_NE(UseOrders(*module), original);
  std::string bitcode;
  WriteModule(*module, &bitcode);
  const std::unique_ptr<llvm::Module> read = *ReadModule(bitcode, other_context);
  EXPECT_EQ(ModuleDigest(*read), ModuleDigest(*module));
  EXPECT_EQ(UseOrders(*read), UseOrders(*module));
}

}  // namespace
}  // namespace holdfast::llvm_session
