#include "tests/worker/llvm/llvm_tools.h"

#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/source_compiler.h"
#include "worker/subprocess/subprocess.h"

namespace holdfast::llvm_session {
namespace {

constexpr absl::Duration kLimit = absl::Minutes(1);
constexpr char kInput[] = "input";
constexpr char kOutput[] = "output";

// Runs a program that reads kInput and writes kOutput, and returns that.
absl::StatusOr<std::string> RunTool(std::vector<std::string> arguments,
                                    absl::string_view input = "") {
  const ScratchDirectory directory;
  std::ofstream(absl::StrCat(directory.path(), "/", kInput), std::ios::binary) << input;
  SubprocessOptions tool;
  tool.arguments = std::move(arguments);
  tool.directory = directory.path();
  // The symbols of a crash's stack take opt seconds to find.
  tool.environment = {absl::StrCat("PATH=", getenv("PATH")), "LLVM_DISABLE_SYMBOLIZATION=1"};
  tool.limit = kLimit;
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(tool);
  if (!result.ok()) return result.status();
  if (!result->succeeded()) {
    return absl::InternalError(
        absl::StrCat(tool.arguments[0], " ", result->Describe(), ": ", result->output));
  }
  std::ifstream output(absl::StrCat(directory.path(), "/", kOutput), std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(output), {});
}

}  // namespace

absl::StatusOr<std::string> RunOpt(absl::string_view pipeline, absl::string_view bitcode) {
  return RunTool(
      {"opt-19", "-discard-value-names", absl::StrCat("-passes=", pipeline), kInput, "-o", kOutput},
      bitcode);
}

absl::StatusOr<std::string> Disassemble(absl::string_view bitcode) {
  return RunTool({"llvm-dis-19", kInput, "-o", kOutput}, bitcode);
}

absl::StatusOr<int64_t> ObjectTextSizeByTools(absl::string_view bitcode) {
  const absl::StatusOr<std::string> object =
      RunTool({"clang-19", "-w", "-xir", "-c", kInput, "-o", kOutput}, bitcode);
  if (!object.ok()) return object.status();
  const absl::StatusOr<std::string> table =
      RunTool({"sh", "-c", absl::StrCat("size ", kInput, " >", kOutput)}, *object);
  if (!table.ok()) return table.status();
  // A line of headings, then one of numbers, `text` first.
  const std::vector<absl::string_view> words =
      absl::StrSplit(*table, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
  const auto name = std::find(words.begin(), words.end(), "filename");
  int64_t text = 0;
  if (name == words.end() || name + 1 == words.end() || !absl::SimpleAtoi(name[1], &text)) {
    return absl::InternalError(absl::StrCat("size printed: ", *table));
  }
  return text;
}

absl::StatusOr<std::string> CsmithProgram(uint32_t seed, int max_functions) {
  const absl::StatusOr<std::string> source =
      RunTool({"csmith", "--seed", absl::StrCat(seed), "--max-funcs", absl::StrCat(max_functions),
               "--output", kOutput});
  if (!source.ok()) return source.status();
  const ScratchDirectory scratch;
  return CompileSource(*source, scratch.path(), {"-w", "-I/usr/include/csmith"});
}

absl::StatusOr<std::string> StressProgram(uint32_t seed, int instructions) {
  return RunTool({"llvm-stress-19", absl::StrCat("--seed=", seed),
                  absl::StrCat("--size=", instructions), "-o", kOutput});
}

}  // namespace holdfast::llvm_session
