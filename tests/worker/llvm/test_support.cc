#include "tests/worker/llvm/test_support.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/llvm/module_loader.h"

namespace holdfast::llvm_session {
std::string DemoProgram(absl::string_view name) {
  std::ifstream file(absl::StrCat("worker/llvm/benchmarks/programs/", name));
  EXPECT_TRUE(file) << name;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

ScratchDirectory::ScratchDirectory() {
  std::string name = absl::StrCat(testing::TempDir(), "/llvm_session.XXXXXX");
  EXPECT_NE(mkdtemp(name.data()), nullptr);
  path_ = name;
}

ScratchDirectory::~ScratchDirectory() { std::filesystem::remove_all(path_); }

void WriteFile(const std::string& path, absl::string_view contents) {
  std::ofstream file(path, std::ios::binary);
  file << contents;
  ASSERT_TRUE(file.flush()) << path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string OutputOf(const std::string& command) {
  FILE* const process = popen(command.c_str(), "r");
  std::string output;
  char buffer[4096];
  for (size_t size = 1; size > 0;) {
    size = fread(buffer, 1, sizeof(buffer), process);
    output.append(buffer, size);
  }
  EXPECT_EQ(pclose(process), 0) << command;
  return output;
}

// The first column of the second line.
int64_t TextByTheToolSize(const std::string& path) {
  const std::string table = OutputOf(absl::StrCat("size ", path));
  int64_t text = -1;
  EXPECT_EQ(sscanf(table.c_str(), "%*[^\n] %" SCNd64, &text), 1);
  return text;
}

compiler_gym::Command ShellCommand(absl::string_view line, const std::vector<std::string>& infiles,
                                   const std::vector<std::string>& outfiles) {
  compiler_gym::Command command;
  command.add_argument(std::string(line));
  for (const std::string& file : infiles) command.add_infile(file);
  for (const std::string& file : outfiles) command.add_outfile(file);
  return command;
}

bool HasOpt() { return system("command -v opt-19 >/dev/null") == 0; }

std::string BitcodeOf(absl::string_view c_source) {
  const ScratchDirectory scratch;
  const absl::StatusOr<std::string> bitcode = ToBitcodeOrIr(c_source, scratch.path());
  EXPECT_TRUE(bitcode.ok()) << bitcode.status();
  return bitcode.value_or("");
}

SessionUnderTest::SessionUnderTest() : SessionUnderTest({}, /*is_allowed=*/false) {}

SessionUnderTest::SessionUnderTest(compiler_gym::BenchmarkDynamicConfig commands, bool is_allowed)
    : commands_(std::move(commands)),
      session_(SessionContext{scratch_.path(), is_allowed, scratch_.path() + "/files"}) {}

compiler_gym::Benchmark SessionUnderTest::BenchmarkOf(absl::string_view contents) const {
  compiler_gym::Benchmark benchmark;
  benchmark.set_uri("benchmark://test/program");
  benchmark.mutable_program()->set_contents(std::string(contents));
  *benchmark.mutable_dynamic_config() = commands_;
  return benchmark;
}

absl::Status SessionUnderTest::Init(absl::string_view space, absl::string_view contents) {
  return session_.Init(SetSpace(space), BenchmarkOf(contents));
}

absl::Status SessionUnderTest::Restore(absl::string_view space, absl::string_view contents,
                                       const SessionSnapshot& snapshot) {
  return session_.Restore(SetSpace(space), BenchmarkOf(contents), snapshot);
}

int SessionUnderTest::SetSpace(absl::string_view space) {
  const absl::Span<const PassSpace> spaces = PassSpaces();
  for (size_t i = 0; i < spaces.size(); ++i) {
    if (spaces[i].name != space) continue;
    space_ = &spaces[i];
    return static_cast<int>(i);
  }
  ADD_FAILURE() << "no action space " << space;
  return -1;
}

absl::StatusOr<bool> SessionUnderTest::Step(absl::string_view action) {
  const absl::Span<const Pass> passes = space_->passes;
  compiler_gym::Event event;
  if (passes.empty()) {
    event.set_string_value(std::string(action));
  } else {
    const auto found = std::find_if(passes.begin(), passes.end(),
                                    [&](const Pass& pass) { return pass.name == action; });
    if (found == passes.end()) return absl::NotFoundError(action);
    event.set_int64_value(found - passes.begin());
  }
  const absl::StatusOr<ActionResult> result = session_.ApplyAction(event);
  if (!result.ok()) return result.status();
  if (absl::Status status = session_.EndOfStep(result->had_no_effect); !status.ok()) {
    return status;
  }
  return !result->had_no_effect;
}

absl::StatusOr<compiler_gym::Event> SessionUnderTest::Observe(absl::string_view observation) {
  const std::vector<compiler_gym::ObservationSpace> spaces = LlvmSession::ObservationSpaces();
  for (size_t i = 0; i < spaces.size(); ++i) {
    if (spaces[i].name() == observation) return session_.ComputeObservation(static_cast<int>(i));
  }
  return absl::NotFoundError(observation);
}

std::string SessionUnderTest::Ir() {
  const absl::StatusOr<compiler_gym::Event> event = Observe("Ir");
  EXPECT_TRUE(event.ok()) << event.status();
  return event.ok() ? event->string_value() : "";
}

int64_t SessionUnderTest::Count(absl::string_view observation) {
  const absl::StatusOr<compiler_gym::Event> event = Observe(observation);
  EXPECT_TRUE(event.ok()) << event.status();
  return event.ok() ? event->int64_value() : -1;
}

}  // namespace holdfast::llvm_session
