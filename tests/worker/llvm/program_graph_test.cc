#include "worker/llvm/program_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/ModuleSlotTracker.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include "tests/worker/llvm/varied_programs.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/module_loader.h"

namespace holdfast::llvm_session {
namespace {

using testing::UnorderedElementsAreArray;

constexpr int kInstruction = 0;
constexpr int kVariable = 1;
constexpr int kConstant = 2;
constexpr int kControl = 0;
constexpr int kData = 1;
constexpr int kCall = 2;

struct Node {
  int64_t type;
  std::string text;
  std::string full_text;
  int64_t function;
  int64_t block;
};

struct Edge {
  int64_t flow;
  int64_t position;
  int64_t source;
  int64_t target;
  int64_t key;
};

struct Graph {
  std::vector<Node> nodes;
  std::vector<Edge> edges;
};

Graph Parse(const std::string& text) {
  Graph graph;
  llvm::Expected<llvm::json::Value> json = llvm::json::parse(text);
  EXPECT_TRUE(static_cast<bool>(json));
  const llvm::json::Object& top = *json->getAsObject();
  EXPECT_EQ(top.getBoolean("directed"), true);
  EXPECT_EQ(top.getBoolean("multigraph"), true);
  for (const llvm::json::Value& value : *top.getArray("nodes")) {
    const llvm::json::Object& node = *value.getAsObject();
    EXPECT_EQ(node.size(), 6);
    EXPECT_EQ(node.getInteger("id"), graph.nodes.size());
    const llvm::json::Array& full_text = *node.getObject("features")->getArray("full_text");
    EXPECT_EQ(full_text.size(), 1);
    graph.nodes.push_back({*node.getInteger("type"), node.getString("text")->str(),
                           full_text[0].getAsString()->str(), *node.getInteger("function"),
                           *node.getInteger("block")});
  }
  for (const llvm::json::Value& value : *top.getArray("links")) {
    const llvm::json::Object& edge = *value.getAsObject();
    EXPECT_EQ(edge.size(), 5);
    graph.edges.push_back({*edge.getInteger("flow"), *edge.getInteger("position"),
                           *edge.getInteger("source"), *edge.getInteger("target"),
                           *edge.getInteger("key")});
  }
  return graph;
}

Graph GraphOf(const llvm::Module& module) {
  const absl::StatusOr<std::string> text = ProgramGraphJson(module);
  EXPECT_TRUE(text.ok()) << text.status();
  return Parse(*text);
}

// Which node is which instruction, by the order of the program; a declaration has one, too.
std::map<const llvm::Value*, int64_t> InstructionNodes(const llvm::Module& module,
                                                       const Graph& graph) {
  std::vector<int64_t> nodes;
  for (size_t i = 1; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].type == kInstruction) nodes.push_back(static_cast<int64_t>(i));
  }
  std::map<const llvm::Value*, int64_t> instructions;
  size_t next = 0;
  const auto add = [&](const llvm::Value* value) {
    instructions[value] = next < nodes.size() ? nodes[next] : -1;
    ++next;
  };
  for (const llvm::Function& function : module) {
    if (function.isDeclaration()) add(&function);
    for (const llvm::Instruction& instruction : llvm::instructions(function)) add(&instruction);
  }
  EXPECT_EQ(next, nodes.size());
  return instructions;
}

// position, source, target.
using Triple = std::tuple<int64_t, int64_t, int64_t>;

std::vector<Triple> EdgesOf(const Graph& graph, int flow) {
  std::vector<Triple> edges;
  for (const Edge& edge : graph.edges) {
    if (edge.flow == flow) edges.emplace_back(edge.position, edge.source, edge.target);
  }
  return edges;
}

class ProgramGraph : public testing::Test {
 protected:
  static void SetUpTestSuite() { programs_ = new std::vector(VariedPrograms()); }
  static void TearDownTestSuite() { delete programs_; }

  static std::vector<VariedProgram>* programs_;
};

std::vector<VariedProgram>* ProgramGraph::programs_;

TEST_F(ProgramGraph, EveryInstructionIsANode) {
  for (const VariedProgram& program : *programs_) {
    SCOPED_TRACE(program.name);
    const Graph graph = GraphOf(*program.module);
    EXPECT_EQ(graph.nodes[0].text, "[external]");
    EXPECT_EQ(graph.nodes[0].type, kInstruction);
    const auto nodes = InstructionNodes(*program.module, graph);
    int64_t function_index = 0;
    int64_t block_index = 0;
    for (const llvm::Function& function : *program.module) {
      for (const llvm::BasicBlock& block : function) {
        for (const llvm::Instruction& instruction : block) {
          const Node& node = graph.nodes[nodes.at(&instruction)];
          EXPECT_EQ(node.text, instruction.getOpcodeName());
          EXPECT_THAT(node.full_text, testing::HasSubstr(instruction.getOpcodeName()));
          EXPECT_EQ(node.function, function_index);
          EXPECT_EQ(node.block, block_index);
        }
        ++block_index;
      }
      ++function_index;
    }
  }
}

TEST_F(ProgramGraph, ControlFlowsAsInTheProgram) {
  for (const VariedProgram& program : *programs_) {
    SCOPED_TRACE(program.name);
    const Graph graph = GraphOf(*program.module);
    const auto nodes = InstructionNodes(*program.module, graph);
    std::vector<Triple> expected;
    for (const llvm::Function& function : *program.module) {
      for (const llvm::BasicBlock& block : function) {
        for (auto next = std::next(block.begin()); next != block.end(); ++next) {
          expected.emplace_back(0, nodes.at(&*std::prev(next)), nodes.at(&*next));
        }
        int64_t position = 0;
        for (const llvm::BasicBlock* successor : llvm::successors(&block)) {
          expected.emplace_back(position++, nodes.at(&block.back()), nodes.at(&successor->front()));
        }
      }
    }
    EXPECT_THAT(EdgesOf(graph, kControl), UnorderedElementsAreArray(expected));
  }
}

// What the full text of a variable or constant says.
std::string OperandText(const llvm::Value& value, llvm::ModuleSlotTracker& slots) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  value.printAsOperand(stream, /*PrintType=*/true, slots);
  return text;
}

TEST_F(ProgramGraph, EachOperandIsADataEdge) {
  for (const VariedProgram& program : *programs_) {
    SCOPED_TRACE(program.name);
    const bool has_names = !absl::EndsWith(program.name, " strip");
    const Graph graph = GraphOf(*program.module);
    const auto nodes = InstructionNodes(*program.module, graph);
    std::map<int64_t, std::map<int64_t, std::vector<int64_t>>> inputs;  // By node and position.
    size_t edges = 0;
    for (const auto& [position, source, target] : EdgesOf(graph, kData)) {
      inputs[target][position].push_back(source);
      ++edges;
    }
    std::map<const llvm::Value*, int64_t> values;
    llvm::ModuleSlotTracker slots(program.module.get());
    for (const llvm::Function& function : *program.module) {
      if (!function.isDeclaration()) slots.incorporateFunction(function);
      for (const llvm::Instruction& instruction : llvm::instructions(function)) {
        for (const llvm::Use& use : instruction.operands()) {
          const auto& sources = inputs[nodes.at(&instruction)][use.getOperandNo()];
          const llvm::Value* value = use.get();
          if (llvm::isa<llvm::BasicBlock, llvm::Function, llvm::InlineAsm, llvm::MetadataAsValue>(
                  value)) {
            EXPECT_TRUE(sources.empty());
            continue;
          }
          ASSERT_EQ(sources.size(), 1);
          --edges;
          const Node& node = graph.nodes[sources[0]];
          EXPECT_EQ(node.type, llvm::isa<llvm::Constant>(value) ? kConstant : kVariable);
          if (has_names) {
            EXPECT_EQ(node.full_text, OperandText(*value, slots));
          }
          EXPECT_EQ(values.try_emplace(value, sources[0]).first->second, sources[0])
              << "a value is one node";
        }
      }
    }
    // Each variable comes out of its instruction, and nothing else does.
    std::set<int64_t> distinct;
    for (const auto& [value, node] : values) {
      EXPECT_TRUE(distinct.insert(node).second) << "a node is one value";
      if (!llvm::isa<llvm::Instruction>(value)) continue;
      EXPECT_EQ(inputs[node][0], std::vector<int64_t>{nodes.at(value)});
      --edges;
    }
    EXPECT_EQ(edges, 0);
    EXPECT_EQ(values.size() + nodes.size() + 1, graph.nodes.size());
  }
}

TEST_F(ProgramGraph, CallsGoThereAndBack) {
  for (const VariedProgram& program : *programs_) {
    SCOPED_TRACE(program.name);
    const Graph graph = GraphOf(*program.module);
    const auto nodes = InstructionNodes(*program.module, graph);
    std::vector<Triple> expected;
    const auto add = [&](int64_t caller, const llvm::Function& callee) {
      if (callee.isDeclaration()) {
        expected.emplace_back(0, caller, nodes.at(&callee));
        expected.emplace_back(0, nodes.at(&callee), caller);
        return;
      }
      expected.emplace_back(0, caller, nodes.at(&callee.getEntryBlock().front()));
      for (const llvm::BasicBlock& block : callee) {
        if (llvm::succ_empty(&block)) expected.emplace_back(0, nodes.at(&block.back()), caller);
      }
    };
    for (const llvm::Function& function : *program.module) {
      add(0, function);
      for (const llvm::Instruction& instruction : llvm::instructions(function)) {
        const auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction);
        if (call != nullptr && call->getCalledFunction() != nullptr) {
          add(nodes.at(call), *call->getCalledFunction());
        }
      }
    }
    EXPECT_THAT(EdgesOf(graph, kCall), UnorderedElementsAreArray(expected));
  }
}

TEST_F(ProgramGraph, NoTwoEdgesAreOneToNetworkx) {
  bool some_are_parallel = false;
  for (const VariedProgram& program : *programs_) {
    std::set<Triple> edges;
    for (const Edge& edge : GraphOf(*program.module).edges) {
      EXPECT_TRUE(edges.emplace(edge.source, edge.target, edge.key).second) << program.name;
      some_are_parallel |= edge.key > 0;
    }
  }
  EXPECT_TRUE(some_are_parallel);
}

TEST_F(ProgramGraph, IsOfTheContentAlone) {
  for (const VariedProgram& program : *programs_) {
    std::string bitcode;
    WriteModule(*program.module, &bitcode);
    llvm::LLVMContext context;
    const auto copy = ReadModule(bitcode, context);
    ASSERT_TRUE(copy.ok()) << copy.status();
    EXPECT_EQ(*ProgramGraphJson(**copy), *ProgramGraphJson(*program.module)) << program.name;
  }
}

TEST_F(ProgramGraph, TypesWithoutANameAreNumbered) {
  llvm::LLVMContext context;
  const auto module = LoadModule(
      "%0 = type { i32, %1 }\n%1 = type { i8 }\n"
      "@g = global %0 zeroinitializer\n"
      "define %1 @f(%1 %x) {\n"
      "  %a = alloca %0\n"
      "  store %1 %x, ptr getelementptr (%0, ptr @g, i32 0, i32 1)\n"
      "  ret %1 %x\n}\n",
      context);
  ASSERT_TRUE(module.ok()) << module.status();
  std::vector<std::string> texts;
  for (const Node& node : GraphOf(**module).nodes)
    texts.push_back(node.text + "|" + node.full_text);
  EXPECT_THAT(texts,
              testing::ElementsAre(
                  "[external]|", R"(%"1"|%"1" %0)", R"(alloca|%2 = alloca %"0", align 8)",
                  R"(store|store %"1" %0, ptr getelementptr (%"0", ptr @g, i32 0, i32 1), align 1)",
                  R"(ret|ret %"1" %0)", "i32|i32 1",
                  R"(ptr|ptr getelementptr (%"0", ptr @g, i32 0, i32 1))"));
  EXPECT_THAT((*module)->getIdentifiedStructTypes(),
              testing::Each(testing::Property(&llvm::StructType::hasName, false)));
}

}  // namespace
}  // namespace holdfast::llvm_session
