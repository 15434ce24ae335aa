// Prints what comes of a program by each action of the spaces that promise the same in every
// process, by levels and some pipelines, and by random sequences of each:
// pass_results BITCODE_FILE SEED_OF_HEAP.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include "tests/worker/llvm/shuffle_heap.h"
#include "worker/llvm/compute_in_child.h"
#include "worker/llvm/module_loader.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/pass_tables.h"
#include "worker/llvm/target.h"

namespace holdfast::llvm_session {
namespace {

// What actions are taken from, and how many random sequences of which length.
struct Table {
  std::vector<Pass> passes;
  int sequences;
  int length;
};

// Passes that shuffle use lists, before others that walk through them.
std::vector<Pass> Pipelines() {
  std::vector<Pass> pipelines;
  for (const char* text :
       {"function(newgvn),attributor-light", "function(sroa,newgvn,gvn-hoist,simplifycfg)",
        "pseudo-probe,function(newgvn,reassociate),cgscc(inline)", "function(sroa,gvn,newgvn)",
        "default<O2>,function(newgvn),attributor-light", "cgscc(function(gvn-hoist,gvn))"}) {
    pipelines.push_back(PipelinePass(text));
  }
  return pipelines;
}

std::vector<Table> Tables() {
  const auto list = [](absl::Span<const Pass> passes) {
    return std::vector<Pass>(passes.begin(), passes.end());
  };
  return {{list(CompilerGymPasses()), 10, 10},
          {list(ModernPasses()), 10, 10},
          {list(LoopPasses()), 4, 2},  // Each may multiply the program.
          {list(BaselinePasses()), 4, 3},
          {Pipelines(), 4, 5}};
}

// Of the bitcode, with the order of use lists: it may steer the next pass.
std::string Digest(const llvm::Module& module) {
  llvm::SmallVector<char, 0> bitcode;
  llvm::raw_svector_ostream stream(bitcode);
  llvm::WriteBitcodeToFile(module, stream, /*ShouldPreserveUseListOrder=*/true);
  return absl::StrCat(absl::Hex(llvm::xxh3_64bits({bitcode.data(), bitcode.size()})));
}

// In a child: the module stays as it is.
void PrintResult(const std::vector<Pass>& passes, llvm::Module& module) {
  const auto apply = [&]() -> absl::StatusOr<std::string> {
    std::string digests;
    for (const Pass& pass : passes) {
      if (absl::Status status = RunPass(pass, module); !status.ok()) return status;
      absl::StrAppend(&digests, " ", Digest(module));
    }
    return digests;
  };
  const absl::StatusOr<std::string> result = ComputeInChild(absl::Seconds(60), apply);
  const auto add_name = [](std::string* out, const Pass& pass) { absl::StrAppend(out, pass.name); };
  std::cout << absl::StrJoin(passes, " ", add_name) << ":"
            << (result.ok() ? *result : result.status().ToString()) << "\n";
}

int Main(const char* file, uint32_t seed) {
  ShuffleHeap(seed);
  InitializeLlvm();
  std::ifstream stream(file, std::ios::binary);
  const std::string bitcode(std::istreambuf_iterator<char>(stream), {});
  llvm::LLVMContext context;
  const auto module = LoadModule(bitcode, context);
  if (!module.ok()) return 1;
  std::mt19937 random(1);  // The same sequences in each process.
  for (const auto& [passes, sequences, length] : Tables()) {
    for (const Pass& pass : passes) PrintResult({pass}, **module);
    for (int i = 0; i < sequences; ++i) {
      std::vector<Pass> sequence;
      for (int j = 0; j < length; ++j) sequence.push_back(passes[random() % passes.size()]);
      PrintResult(sequence, **module);
    }
  }
  return 0;
}

}  // namespace
}  // namespace holdfast::llvm_session

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return holdfast::llvm_session::Main(argv[1], static_cast<uint32_t>(std::atoi(argv[2])));
}
