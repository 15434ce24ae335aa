#include "worker/llvm/benchmarks/benchmarks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "worker/llvm/benchmarks/embedded_programs.h"
#include "worker/llvm/benchmarks/generators.h"
#include "worker/llvm/source_compiler.h"

namespace holdfast::llvm_session {
namespace {

using compiler_gym::Benchmark;
using compiler_gym::BenchmarkDynamicConfig;
using compiler_gym::Command;

constexpr absl::string_view kShipped = "benchmark://holdfast-v0/";
constexpr absl::string_view kSeed = "SEED";
constexpr size_t kMaxQuoted = 100;

// In seconds. Building takes a tenth of a second and running at most half of one, but on a busy
// machine everything takes longer.
constexpr int kBuildTimeout = 60;
constexpr int kRunTimeout = 30;
constexpr int kCheckTimeout = 30;

struct Generator {
  absl::string_view prefix;  // Of its URIs, before the seed.
  absl::StatusOr<std::string> (*run)(uint32_t seed, const std::string& directory);
  bool is_runnable;  // Whether its programs have a main().
};
constexpr Generator kGenerators[] = {
    {"generator://holdfast-csmith-v0/", RunCsmith, true},
    {"generator://holdfast-llvm-stress-v0/", RunLlvmStress, false},
};

// A directory in `parent` that goes with the object.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& parent)
      : path_(absl::StrCat(parent, "/benchmark.XXXXXX")) {
    if (mkdtemp(path_.data()) == nullptr) {
      status_ = absl::InternalError(absl::StrCat("cannot make ", path_, ": ", strerror(errno)));
    }
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (status_.ok()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const absl::Status& status() const { return status_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  absl::Status status_;
};

Command ShellLine(absl::string_view line, int timeout_seconds) {
  Command command;
  for (const absl::string_view word : absl::StrSplit(line, ' ')) {
    command.add_argument(std::string(word));
  }
  command.set_timeout_seconds(timeout_seconds);
  return command;
}

BenchmarkDynamicConfig BuildAndRun() {
  BenchmarkDynamicConfig config;
  *config.mutable_build_cmd() = ShellLine("$CC $IN -o a.out -lm", kBuildTimeout);
  config.mutable_build_cmd()->add_outfile("a.out");
  *config.mutable_run_cmd() = ShellLine("./a.out > output.txt", kRunTimeout);
  config.mutable_run_cmd()->add_infile("a.out");
  config.mutable_run_cmd()->add_outfile("output.txt");
  return config;
}

Command CheckOutput(const char* expected) {
  Command command = ShellLine("printf %s \"$EXPECTED\" | diff - output.txt", kCheckTimeout);
  (*command.mutable_env())["EXPECTED"] = expected;
  command.add_infile("output.txt");
  return command;
}

absl::StatusOr<Benchmark> MakeShipped(absl::string_view name, const std::string& directory) {
  std::vector<absl::string_view> names;
  for (const EmbeddedProgram& program : EmbeddedPrograms()) {
    names.emplace_back(program.name);
    if (name != program.name) continue;
    absl::StatusOr<std::string> bitcode = CompileSource(program.source, directory);
    if (!bitcode.ok()) return bitcode.status();
    Benchmark benchmark;
    benchmark.mutable_program()->set_contents(*std::move(bitcode));
    *benchmark.mutable_dynamic_config() = BuildAndRun();
    *benchmark.mutable_dynamic_config()->add_post_run_cmd() = CheckOutput(program.output);
    return benchmark;
  }
  return absl::InvalidArgumentError(absl::StrCat("the name in ", kShipped, "NAME is \"",
                                                 name.substr(0, kMaxQuoted), "\", must be one of ",
                                                 absl::StrJoin(names, ", ")));
}

absl::StatusOr<Benchmark> Generate(const Generator& generator, absl::string_view text,
                                   const std::string& directory) {
  uint32_t seed = 0;
  // One way only to write a number, so that no program has two names.
  if (!absl::SimpleAtoi(text, &seed) || absl::StrCat(seed) != text) {
    return absl::InvalidArgumentError(
        absl::StrCat("the seed in ", generator.prefix, kSeed, " is \"", text.substr(0, kMaxQuoted),
                     "\", must be an integer from 0 to ", std::numeric_limits<uint32_t>::max()));
  }
  absl::StatusOr<std::string> program = generator.run(seed, directory);
  if (!program.ok()) {
    return absl::Status(program.status().code(),
                        absl::StrCat(generator.prefix, text, ": ", program.status().message()));
  }
  Benchmark benchmark;
  benchmark.mutable_program()->set_contents(*std::move(program));
  if (generator.is_runnable) *benchmark.mutable_dynamic_config() = BuildAndRun();
  return benchmark;
}

absl::StatusOr<Benchmark> MakeProgram(absl::string_view uri, const std::string& directory) {
  absl::string_view rest = uri;
  if (absl::ConsumePrefix(&rest, kShipped)) return MakeShipped(rest, directory);
  std::vector<std::string> forms = {absl::StrCat(kShipped, "NAME")};
  for (const Generator& generator : kGenerators) {
    if (absl::ConsumePrefix(&rest, generator.prefix)) return Generate(generator, rest, directory);
    forms.push_back(absl::StrCat(generator.prefix, kSeed));
  }
  return absl::InvalidArgumentError(absl::StrCat("the benchmark is \"", uri.substr(0, kMaxQuoted),
                                                 "\", must be one of ",
                                                 absl::StrJoin(forms, ", ")));
}

}  // namespace

std::vector<std::string> BenchmarkUris() {
  std::vector<std::string> uris;
  for (const EmbeddedProgram& program : EmbeddedPrograms()) {
    uris.push_back(absl::StrCat(kShipped, program.name));
  }
  for (const Generator& generator : kGenerators) {
    uris.push_back(absl::StrCat(generator.prefix, kSeed));
  }
  std::sort(uris.begin(), uris.end());
  return uris;
}

absl::StatusOr<Benchmark> MakeBenchmark(absl::string_view uri,
                                        const std::string& scratch_directory) {
  const TemporaryDirectory directory(scratch_directory);
  if (!directory.status().ok()) return directory.status();
  absl::StatusOr<Benchmark> benchmark = MakeProgram(uri, directory.path());
  if (benchmark.ok()) benchmark->set_uri(std::string(uri));
  return benchmark;
}

}  // namespace holdfast::llvm_session
