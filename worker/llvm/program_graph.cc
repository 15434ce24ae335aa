#include "worker/llvm/program_graph.h"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/IR/AssemblyAnnotationWriter.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/ModuleSlotTracker.h"
#include "llvm/IR/TypeFinder.h"
#include "llvm/Support/FormattedStream.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include "worker/llvm/module_bitcode.h"

namespace holdfast::llvm_session {
namespace {

// The numbers of types and flows are ProGraML's.
enum class NodeType { kInstruction, kVariable, kConstant };
enum class Flow { kControl, kData, kCall };

constexpr unsigned kRoot = 0;

// The text of each instruction, in the order of the program. Printing them one by one takes the
// square of the time, for LLVM then looks at all globals for each.
class InstructionTexts : public llvm::AssemblyAnnotationWriter {
 public:
  explicit InstructionTexts(const llvm::Module& module) {
    llvm::raw_string_ostream stream(module_text_);
    module.print(stream, this);
  }

  llvm::StringRef Next() {
    const auto [begin, end] = places_[next_++];
    return llvm::StringRef(module_text_).slice(begin, end).trim();
  }

 private:
  // Called before and after each instruction, the latter for globals, too.
  void emitInstructionAnnot(const llvm::Instruction*, llvm::formatted_raw_ostream& out) override {
    begin_ = out.tell();
  }
  void printInfoComment(const llvm::Value& value, llvm::formatted_raw_ostream& out) override {
    if (llvm::isa<llvm::Instruction>(value)) places_.emplace_back(begin_, out.tell());
  }

  std::string module_text_;
  std::vector<std::pair<size_t, size_t>> places_;
  size_t begin_ = 0;
  size_t next_ = 0;
};

class GraphWriter {
 public:
  GraphWriter(const llvm::Module& module, llvm::raw_ostream& out)
      : module_(module), texts_(module), slots_(&module), json_(out) {}

  void Write() {
    json_.object([this] {
      json_.attribute("directed", true);
      json_.attribute("multigraph", true);
      json_.attributeObject("graph", [this] { WriteNames(); });
      json_.attributeArray("nodes", [this] { WriteNodes(); });
      json_.attributeArray("links", [this] { WriteEdges(); });
    });
  }

 private:
  struct Place {
    unsigned function = 0;
    unsigned block = 0;
  };

  // The instructions where control enters and leaves a function.
  struct Ends {
    unsigned entry = 0;
    std::vector<unsigned> exits;
  };

  void WriteNames() {
    json_.attributeArray("function", [this] {
      for (const llvm::Function& function : module_) {
        json_.object([&] {
          WriteString("name", function.getName());
          json_.attribute("module", 0);
        });
      }
    });
    json_.attributeArray("module", [this] {
      json_.object([this] { WriteString("name", module_.getSourceFileName()); });
    });
  }

  // ---- Nodes. All are numbered before the first edge is written. ----

  void WriteNodes() {
    WriteNode(NodeType::kInstruction, "[external]", "", {});
    Place place;
    for (const llvm::Function& function : module_) {
      WriteNodesOf(function, place);
      ++place.function;
    }
    for (const llvm::Constant* constant : constants_) WriteValue(NodeType::kConstant, constant, {});
  }

  // Leaves `place` at the block behind the function.
  void WriteNodesOf(const llvm::Function& function, Place& place) {
    Ends& ends = ends_[&function];
    slots_.incorporateFunction(function);
    for (const llvm::Argument& argument : function.args()) WriteVariable(argument, place);
    ends.entry = nodes_;
    if (function.isDeclaration()) {
      ends.exits.push_back(nodes_);
      WriteNode(NodeType::kInstruction, "; undefined function", "", {place.function, 0});
    }
    for (const llvm::BasicBlock& block : function) {
      for (const llvm::Instruction& instruction : block) {
        if (instruction.isTerminator() && instruction.getNumSuccessors() == 0) {
          ends.exits.push_back(nodes_);
        }
        instructions_[&instruction] = nodes_;
        WriteNode(NodeType::kInstruction, instruction.getOpcodeName(), texts_.Next(), place);
        WriteVariable(instruction, place);
        for (const llvm::Value* operand : instruction.operand_values()) AddConstant(operand);
      }
      ++place.block;
    }
  }

  void WriteVariable(const llvm::Value& value, Place place) {
    if (!value.use_empty()) WriteValue(NodeType::kVariable, &value, place);
  }

  void AddConstant(const llvm::Value* operand) {
    const auto* constant = llvm::dyn_cast<llvm::Constant>(operand);
    if (constant == nullptr || llvm::isa<llvm::Function>(constant)) return;
    // Its number is known when all functions are written.
    if (values_.try_emplace(constant, 0).second) constants_.push_back(constant);
  }

  void WriteValue(NodeType type, const llvm::Value* value, Place place) {
    values_[value] = nodes_;
    std::string type_text;
    llvm::raw_string_ostream type_stream(type_text);
    value->getType()->print(type_stream, /*IsForDebug=*/false, /*NoDetails=*/true);
    std::string text;
    llvm::raw_string_ostream stream(text);
    value->printAsOperand(stream, /*PrintType=*/true, slots_);
    WriteNode(type, type_text, text, place);
  }

  void WriteNode(NodeType type, llvm::StringRef text, llvm::StringRef full_text, Place place) {
    json_.object([&] {
      json_.attribute("id", nodes_++);
      json_.attribute("type", static_cast<int>(type));
      WriteString("text", text);
      json_.attribute("function", place.function);
      json_.attribute("block", place.block);
      json_.attributeObject("features", [&] {
        json_.attributeArray("full_text", [&] { json_.value(Utf8(full_text)); });
      });
    });
  }

  // ---- Edges. ----

  // Edges from or to one node. A key tells those apart that connect the same two: networkx keeps
  // one for each.
  using Keys = llvm::SmallDenseMap<unsigned, int, 8>;

  void WriteEdges() {
    for (const llvm::Function& function : module_) {
      WriteCall(kRoot, ends_[&function]);
      for (const llvm::BasicBlock& block : function) {
        for (const llvm::Instruction& instruction : block) WriteEdgesOf(instruction);
      }
    }
  }

  void WriteEdgesOf(const llvm::Instruction& instruction) {
    const unsigned node = instructions_.lookup(&instruction);
    if (const llvm::Instruction* next = instruction.getNextNode()) {
      WriteEdge(Flow::kControl, 0, node, instructions_.lookup(next));
    }
    Keys successors;
    for (unsigned i = 0; instruction.isTerminator() && i < instruction.getNumSuccessors(); ++i) {
      const unsigned target = instructions_.lookup(&instruction.getSuccessor(i)->front());
      WriteEdge(Flow::kControl, i, node, target, successors[target]++);
    }
    Keys operands;
    for (const llvm::Use& use : instruction.operands()) {
      const auto source = values_.find(use.get());
      if (source == values_.end()) continue;  // Control flow, or nothing that carries data.
      WriteEdge(Flow::kData, use.getOperandNo(), source->second, node, operands[source->second]++);
    }
    if (const auto result = values_.find(&instruction); result != values_.end()) {
      WriteEdge(Flow::kData, 0, node, result->second);
    }
    if (const auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction)) {
      if (const llvm::Function* callee = call->getCalledFunction()) WriteCall(node, ends_[callee]);
    }
  }

  void WriteCall(unsigned caller, const Ends& callee) {
    WriteEdge(Flow::kCall, 0, caller, callee.entry);
    for (const unsigned exit : callee.exits) WriteEdge(Flow::kCall, 0, exit, caller);
  }

  void WriteEdge(Flow flow, unsigned position, unsigned source, unsigned target, int key = 0) {
    json_.object([&] {
      json_.attribute("flow", static_cast<int>(flow));
      json_.attribute("position", position);
      json_.attribute("source", source);
      json_.attribute("target", target);
      json_.attribute("key", key);
    });
  }

  void WriteString(llvm::StringRef key, llvm::StringRef text) { json_.attribute(key, Utf8(text)); }

  // Names may hold any bytes.
  static llvm::json::Value Utf8(llvm::StringRef text) {
    if (llvm::json::isUTF8(text)) return text;
    return llvm::json::fixUTF8(text);
  }

  const llvm::Module& module_;
  InstructionTexts texts_;
  llvm::ModuleSlotTracker slots_;
  llvm::json::OStream json_;
  unsigned nodes_ = 0;
  llvm::DenseMap<const llvm::Function*, Ends> ends_;
  llvm::DenseMap<const llvm::Instruction*, unsigned> instructions_;
  llvm::DenseMap<const llvm::Value*, unsigned> values_;  // Variables and constants.
  std::vector<const llvm::Constant*> constants_;         // As they are met.
};

std::vector<llvm::StructType*> NamelessTypes(const llvm::Module& module) {
  llvm::TypeFinder types;
  types.run(module, /*onlyNamed=*/false);
  std::vector<llvm::StructType*> nameless;
  for (llvm::StructType* const type : types) {
    if (!type->isLiteral() && !type->hasName()) nameless.push_back(type);
  }
  return nameless;
}

}  // namespace

absl::StatusOr<std::string> ProgramGraphJson(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (NamelessTypes(module).empty()) {
    GraphWriter(module, stream).Write();
    return text;
  }
  // Printed alone, a type without a name shows its address; and to find the number that it has in a
  // module, LLVM looks through all of that, each time. A copy may have other names.
  std::string bitcode;
  WriteModule(module, &bitcode);
  llvm::LLVMContext context;
  absl::StatusOr<std::unique_ptr<llvm::Module>> copy = ReadModule(bitcode, context);
  if (!copy.ok()) return copy.status();
  int number = 0;
  for (llvm::StructType* const type : NamelessTypes(**copy)) {
    type->setName(absl::StrCat(number++));
  }
  GraphWriter(**copy, stream).Write();
  return text;
}

}  // namespace holdfast::llvm_session
