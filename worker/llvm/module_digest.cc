#include "worker/llvm/module_digest.h"

#include <cstdint>
#include <cstring>

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/GlobalAlias.h"
#include "llvm/IR/GlobalIFunc.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Metadata.h"
#include "llvm/IR/Operator.h"
#include "llvm/Support/xxhash.h"

namespace holdfast::llvm_session {
namespace {

// Two independent lanes of multiply and rotate.
class Hasher {
 public:
  void Add(uint64_t word) {
    first_ = Rotate((first_ ^ word) * 0x9E3779B97F4A7C15, 29);
    second_ = Rotate((second_ + word) * 0xC2B2AE3D27D4EB4F, 31);
  }
  void Add(llvm::StringRef bytes) {
    Add(bytes.size());
    Add(llvm::xxh3_64bits(bytes));
  }

  uint64_t Short() const { return first_ ^ Rotate(second_, 17); }
  std::string Long() const {
    std::string bytes(16, '\0');
    std::memcpy(bytes.data(), &first_, 8);
    std::memcpy(bytes.data() + 8, &second_, 8);
    return bytes;
  }

 private:
  static uint64_t Rotate(uint64_t word, int bits) { return word << bits | word >> (64 - bits); }

  uint64_t first_ = 0x243F6A8885A308D3;
  uint64_t second_ = 0x13198A2E03707344;
};

// Walks the module once. Pointers never reach the hash: globals and local values count by their
// position, shared immutable things (types, attributes, constants, metadata) by their content,
// which is remembered by address.
class Digester {
 public:
  explicit Digester(const llvm::Module& module) : module_(module) {}

  std::string Run() {
    NumberGlobals();
    hash_.Add(module_.getTargetTriple());
    hash_.Add(module_.getDataLayoutStr());
    hash_.Add(module_.getModuleInlineAsm());
    hash_.Add(module_.getModuleIdentifier());
    hash_.Add(module_.getSourceFileName());
    for (const llvm::NamedMDNode& node : module_.named_metadata()) {
      hash_.Add(node.getName());
      for (const llvm::MDNode* operand : node.operands()) hash_.Add(OfMetadata(operand));
    }
    for (const llvm::GlobalVariable& global : module_.globals()) AddGlobalVariable(global);
    for (const llvm::GlobalAlias& alias : module_.aliases()) {
      AddGlobalValue(alias);
      hash_.Add(OfConstant(alias.getAliasee()));
    }
    for (const llvm::GlobalIFunc& ifunc : module_.ifuncs()) {
      AddGlobalValue(ifunc);
      hash_.Add(OfConstant(ifunc.getResolver()));
    }
    for (const llvm::Function& function : module_) AddFunction(function);
    return hash_.Long();
  }

 private:
  void NumberGlobals() {
    const auto number = [this](const llvm::Value& value) {
      const uint64_t next = globals_.size() + 1;
      globals_[&value] = next;
    };
    for (const llvm::GlobalVariable& global : module_.globals()) number(global);
    for (const llvm::Function& function : module_) number(function);
    for (const llvm::GlobalAlias& alias : module_.aliases()) number(alias);
    for (const llvm::GlobalIFunc& ifunc : module_.ifuncs()) number(ifunc);
  }

  void AddGlobalValue(const llvm::GlobalValue& value) {
    hash_.Add(value.getName());
    hash_.Add(OfType(value.getValueType()));
    hash_.Add(OfType(value.getType()));
    hash_.Add(value.getLinkage());
    hash_.Add(value.getVisibility());
    hash_.Add(static_cast<uint64_t>(value.getUnnamedAddr()));
    hash_.Add(value.getThreadLocalMode());
    hash_.Add(value.getDLLStorageClass());
    hash_.Add(value.isDSOLocal());
    hash_.Add(value.getPartition());
    hash_.Add(value.hasSanitizerMetadata());
  }

  void AddGlobalObject(const llvm::GlobalObject& object) {
    AddGlobalValue(object);
    hash_.Add(object.getSection());
    hash_.Add(object.getAlign() ? object.getAlign()->value() : 0);
    if (const llvm::Comdat* comdat = object.getComdat()) {
      hash_.Add(comdat->getName());
      hash_.Add(comdat->getSelectionKind());
    }
    llvm::SmallVector<std::pair<unsigned, llvm::MDNode*>, 4> attachments;
    object.getAllMetadata(attachments);
    AddAttachments(attachments);
  }

  void AddGlobalVariable(const llvm::GlobalVariable& global) {
    AddGlobalObject(global);
    hash_.Add(global.isConstant());
    hash_.Add(global.isExternallyInitialized());
    hash_.Add(global.getCodeModelRaw());
    hash_.Add(global.getAttributes().getAsString());
    if (global.hasInitializer()) hash_.Add(OfConstant(global.getInitializer()));
  }

  void AddFunction(const llvm::Function& function) {
    AddGlobalObject(function);
    hash_.Add(function.getCallingConv());
    hash_.Add(OfAttributes(function.getAttributes()));
    if (function.hasGC()) hash_.Add(llvm::StringRef(function.getGC()));
    hash_.Add(function.hasPersonalityFn() ? OfConstant(function.getPersonalityFn()) : 1);
    hash_.Add(function.hasPrefixData() ? OfConstant(function.getPrefixData()) : 2);
    hash_.Add(function.hasPrologueData() ? OfConstant(function.getPrologueData()) : 3);

    locals_.clear();
    uint64_t next = 0;
    for (const llvm::Argument& argument : function.args()) locals_[&argument] = ++next;
    for (const llvm::BasicBlock& block : function) {
      locals_[&block] = ++next;
      for (const llvm::Instruction& instruction : block) locals_[&instruction] = ++next;
    }
    for (const llvm::BasicBlock& block : function) {
      hash_.Add(block.size());
      // Their order is that of a use list; the text shows it.
      for (const llvm::BasicBlock* from : llvm::predecessors(&block)) {
        hash_.Add(locals_.lookup(from));
      }
      for (const llvm::Instruction& instruction : block) AddInstruction(instruction);
    }
  }

  void AddInstruction(const llvm::Instruction& instruction) {
    hash_.Add(uint64_t{instruction.getOpcode()} | uint64_t{instruction.getNumOperands()} << 8 |
              uint64_t{instruction.getRawSubclassOptionalData()} << 40);
    hash_.Add(OfType(instruction.getType()));
    for (const llvm::Value* operand : instruction.operand_values()) hash_.Add(OfOperand(operand));
    AddSpecialState(instruction);
    if (instruction.hasMetadata()) {
      llvm::SmallVector<std::pair<unsigned, llvm::MDNode*>, 4> attachments;
      instruction.getAllMetadata(attachments);
      AddAttachments(attachments);
    }
  }

  // What an instruction holds beside type, flags and operands.
  void AddSpecialState(const llvm::Instruction& instruction) {
    if (const auto* load = llvm::dyn_cast<llvm::LoadInst>(&instruction)) {
      AddMemoryAccess(*load);
    } else if (const auto* store = llvm::dyn_cast<llvm::StoreInst>(&instruction)) {
      AddMemoryAccess(*store);
    } else if (const auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction)) {
      AddCall(*call);
    } else if (const auto* compare = llvm::dyn_cast<llvm::CmpInst>(&instruction)) {
      hash_.Add(compare->getPredicate());
    } else if (const auto* phi = llvm::dyn_cast<llvm::PHINode>(&instruction)) {
      for (const llvm::BasicBlock* block : phi->blocks()) hash_.Add(locals_.lookup(block));
    } else if (const auto* gep = llvm::dyn_cast<llvm::GetElementPtrInst>(&instruction)) {
      hash_.Add(OfType(gep->getSourceElementType()));
    } else if (const auto* alloca = llvm::dyn_cast<llvm::AllocaInst>(&instruction)) {
      hash_.Add(OfType(alloca->getAllocatedType()));
      hash_.Add(alloca->getAlign().value() << 2 | uint64_t{alloca->isUsedWithInAlloca()} << 1 |
                uint64_t{alloca->isSwiftError()});
    } else if (const auto* shuffle = llvm::dyn_cast<llvm::ShuffleVectorInst>(&instruction)) {
      for (const int lane : shuffle->getShuffleMask()) hash_.Add(static_cast<uint64_t>(lane));
    } else if (const auto* insert = llvm::dyn_cast<llvm::InsertValueInst>(&instruction)) {
      for (const unsigned index : insert->indices()) hash_.Add(index);
    } else if (const auto* extract = llvm::dyn_cast<llvm::ExtractValueInst>(&instruction)) {
      for (const unsigned index : extract->indices()) hash_.Add(index);
    } else if (const auto* pad = llvm::dyn_cast<llvm::LandingPadInst>(&instruction)) {
      hash_.Add(pad->isCleanup());
      for (unsigned i = 0; i < pad->getNumClauses(); ++i) hash_.Add(pad->isCatch(i));
    } else if (const auto* fence = llvm::dyn_cast<llvm::FenceInst>(&instruction)) {
      hash_.Add(static_cast<uint64_t>(fence->getOrdering()) << 8 | fence->getSyncScopeID());
    } else if (const auto* update = llvm::dyn_cast<llvm::AtomicRMWInst>(&instruction)) {
      AddMemoryAccess(*update);
      hash_.Add(update->getOperation());
    } else if (const auto* exchange = llvm::dyn_cast<llvm::AtomicCmpXchgInst>(&instruction)) {
      hash_.Add(exchange->getAlign().value() << 2 | uint64_t{exchange->isVolatile()} << 1 |
                uint64_t{exchange->isWeak()});
      hash_.Add(static_cast<uint64_t>(exchange->getSuccessOrdering()) << 16 |
                static_cast<uint64_t>(exchange->getFailureOrdering()) << 8 |
                exchange->getSyncScopeID());
    }
  }

  template <typename Access>
  void AddMemoryAccess(const Access& access) {
    hash_.Add(access.getAlign().value() << 17 | uint64_t{access.isVolatile()} << 16 |
              static_cast<uint64_t>(access.getOrdering()) << 8 | access.getSyncScopeID());
  }

  void AddCall(const llvm::CallBase& call) {
    hash_.Add(OfType(call.getFunctionType()));
    hash_.Add(call.getCallingConv());
    hash_.Add(OfAttributes(call.getAttributes()));
    if (const auto* plain = llvm::dyn_cast<llvm::CallInst>(&call)) {
      hash_.Add(plain->getTailCallKind());
    }
    for (unsigned i = 0; i < call.getNumOperandBundles(); ++i) {
      const llvm::OperandBundleUse bundle = call.getOperandBundleAt(i);
      hash_.Add(bundle.getTagName());
      hash_.Add(bundle.Inputs.size());
    }
  }

  void AddAttachments(llvm::ArrayRef<std::pair<unsigned, llvm::MDNode*>> attachments) {
    for (const auto& [kind, node] : attachments) {
      hash_.Add(kind);
      hash_.Add(OfMetadata(node));
    }
  }

  uint64_t OfOperand(const llvm::Value* value) {
    if (value == nullptr) return 0;
    if (const auto* constant = llvm::dyn_cast<llvm::Constant>(value)) return OfConstant(constant);
    if (const auto* assembly = llvm::dyn_cast<llvm::InlineAsm>(value)) {
      Hasher hash;
      hash.Add(assembly->getAsmString());
      hash.Add(assembly->getConstraintString());
      hash.Add(OfType(assembly->getFunctionType()));
      hash.Add(uint64_t{assembly->hasSideEffects()} << 3 | uint64_t{assembly->isAlignStack()} << 2 |
               uint64_t{assembly->canThrow()} << 1);
      hash.Add(assembly->getDialect());
      return hash.Short();
    }
    if (const auto* metadata = llvm::dyn_cast<llvm::MetadataAsValue>(value)) {
      return OfMetadata(metadata->getMetadata());
    }
    return locals_.lookup(value);
  }

  // Null where a broken pass left a hole: the module is not verified yet.
  uint64_t OfConstant(const llvm::Constant* constant) {
    if (constant == nullptr) return 0;
    if (const auto number = globals_.find(constant); number != globals_.end()) {
      return number->second << 32;
    }
    if (const auto known = constants_.find(constant); known != constants_.end()) {
      return known->second;
    }
    Hasher hash;
    hash.Add(constant->getValueID());
    hash.Add(OfType(constant->getType()));
    if (const auto* integer = llvm::dyn_cast<llvm::ConstantInt>(constant)) {
      AddInteger(integer->getValue(), hash);
    } else if (const auto* real = llvm::dyn_cast<llvm::ConstantFP>(constant)) {
      AddInteger(real->getValueAPF().bitcastToAPInt(), hash);
    } else if (const auto* data = llvm::dyn_cast<llvm::ConstantDataSequential>(constant)) {
      hash.Add(data->getRawDataValues());
    } else if (const auto* address = llvm::dyn_cast<llvm::BlockAddress>(constant)) {
      hash.Add(OfConstant(address->getFunction()));
      for (const llvm::BasicBlock& block : *address->getFunction()) {
        hash.Add(&block == address->getBasicBlock());
      }
    } else {
      if (const auto* expression = llvm::dyn_cast<llvm::ConstantExpr>(constant)) {
        hash.Add(expression->getOpcode());
        hash.Add(expression->getRawSubclassOptionalData());
        if (const auto* gep = llvm::dyn_cast<llvm::GEPOperator>(constant)) {
          hash.Add(OfType(gep->getSourceElementType()));
        }
      }
      for (const llvm::Value* operand : constant->operand_values()) {
        hash.Add(OfConstant(llvm::cast_or_null<llvm::Constant>(operand)));
      }
    }
    return constants_[constant] = hash.Short();
  }

  static void AddInteger(const llvm::APInt& value, Hasher& hash) {
    for (unsigned i = 0; i < value.getNumWords(); ++i) hash.Add(value.getRawData()[i]);
  }

  // Without debug info, cycles in metadata are short and few (loop identifiers): a node that is
  // being visited counts as a fixed word.
  uint64_t OfMetadata(const llvm::Metadata* metadata) {
    if (metadata == nullptr) return 0;
    if (const auto* value = llvm::dyn_cast<llvm::ValueAsMetadata>(metadata)) {
      return ~OfOperand(value->getValue());
    }
    const auto [position, is_new] = metadata_.try_emplace(metadata, 0x5BD1E995);
    if (!is_new) return position->second;
    Hasher hash;
    hash.Add(metadata->getMetadataID());
    if (const auto* text = llvm::dyn_cast<llvm::MDString>(metadata)) {
      hash.Add(text->getString());
    } else if (const auto* node = llvm::dyn_cast<llvm::MDNode>(metadata)) {
      hash.Add(node->isDistinct());
      for (const llvm::MDOperand& operand : node->operands()) hash.Add(OfMetadata(operand.get()));
    }
    return metadata_[metadata] = hash.Short();
  }

  uint64_t OfType(llvm::Type* type) {
    if (type == nullptr) return 0;
    if (const auto known = types_.find(type); known != types_.end()) return known->second;
    Hasher hash;
    hash.Add(type->getTypeID());
    if (type->isIntegerTy()) hash.Add(type->getIntegerBitWidth());
    if (type->isPointerTy()) hash.Add(type->getPointerAddressSpace());
    if (type->isArrayTy()) hash.Add(type->getArrayNumElements());
    if (const auto* vector = llvm::dyn_cast<llvm::VectorType>(type)) {
      hash.Add(vector->getElementCount().getKnownMinValue());
    }
    if (const auto* function = llvm::dyn_cast<llvm::FunctionType>(type)) {
      hash.Add(function->isVarArg());
    }
    if (const auto* structure = llvm::dyn_cast<llvm::StructType>(type)) {
      if (structure->hasName()) hash.Add(structure->getName());
      hash.Add(structure->isPacked());
    }
    if (const auto* target = llvm::dyn_cast<llvm::TargetExtType>(type)) {
      hash.Add(target->getName());
      for (const unsigned parameter : target->int_params()) hash.Add(parameter);
    }
    for (llvm::Type* contained : type->subtypes()) hash.Add(OfType(contained));
    return types_[type] = hash.Short();
  }

  uint64_t OfAttributes(llvm::AttributeList attributes) {
    const auto [position, is_new] = attributes_.try_emplace(attributes.getRawPointer(), 0);
    if (!is_new) return position->second;
    Hasher hash;
    for (const unsigned index : attributes.indexes()) {
      hash.Add(index);
      for (const llvm::Attribute attribute : attributes.getAttributes(index)) {
        if (attribute.isTypeAttribute()) {  // Printed, a type without a name shows its address.
          hash.Add(attribute.getKindAsEnum());
          hash.Add(OfType(attribute.getValueAsType()));
        } else {
          hash.Add(attribute.getAsString());
        }
      }
    }
    return position->second = hash.Short();
  }

  const llvm::Module& module_;
  Hasher hash_;
  llvm::DenseMap<const llvm::Value*, uint64_t> globals_;
  llvm::DenseMap<const llvm::Value*, uint64_t> locals_;
  llvm::DenseMap<const llvm::Constant*, uint64_t> constants_;
  llvm::DenseMap<const llvm::Metadata*, uint64_t> metadata_;
  llvm::DenseMap<llvm::Type*, uint64_t> types_;
  llvm::DenseMap<const void*, uint64_t> attributes_;
};

}  // namespace

std::string ModuleDigest(const llvm::Module& module) { return Digester(module).Run(); }

}  // namespace holdfast::llvm_session
