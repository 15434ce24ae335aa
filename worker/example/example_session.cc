#include "worker/example/example_session.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace holdfast {
namespace {

using compiler_gym::ActionSpace;
using compiler_gym::Event;
using compiler_gym::ObservationSpace;

// ---- The compiler: passes are lists of rewrites ----

constexpr char kInstructions[] = "+-<>.T";

struct Rewrite {
  const char* from;
  const char* to;
};

struct Pass {
  const char* name;
  std::array<Rewrite, 2> rewrites;  // Unused ones are null.
};

constexpr Pass kPasses[] = {
    {"fold", {{{"+-", ""}, {"-+", ""}}}},
    {"fold-moves", {{{"<>", ""}, {"><", ""}}}},
    {"clean", {{{".", ""}}}},
    // Last, because it leaves the action space once it has run.
    {"expand", {{{"T", "+++"}}}},
};
constexpr size_t kPassCount = std::size(kPasses);
constexpr size_t kExpand = kPassCount - 1;

// Of the format of snapshots: "1000/+-T".
constexpr char kSnapshotType[] = "holdfast.example";
constexpr int64_t kSnapshotVersion = 1;
constexpr char kSeparator[] = "/";

struct Brought {
  const char* uri;
  const char* program;
};

constexpr Brought kBrought[] = {
    {"benchmark://example-v0/moves", "+><-.>+<<>."},
    {"benchmark://example-v0/triples", "T-T--T.>T"},
};

// False if the program leaves the tape.
bool Execute(absl::string_view program) {
  std::array<int, 16> tape = {};
  size_t cell = 0;
  for (const char instruction : program) {
    if (instruction == '<') --cell;
    if (instruction == '>') ++cell;
    if (cell >= tape.size()) return false;
    if (instruction == '+') ++tape[cell];
    if (instruction == '-') --tape[cell];
    if (instruction == 'T') tape[cell] += 3;
  }
  return true;
}

ActionSpace PassSpace(size_t size) {
  ActionSpace space;
  space.set_name("pass");
  for (size_t i = 0; i < size; ++i) {
    space.mutable_space()->mutable_named_discrete()->add_name(kPasses[i].name);
  }
  return space;
}

void SetTensor(const std::vector<int64_t>& values, compiler_gym::Int64Tensor* tensor) {
  tensor->add_shape(values.size());
  tensor->mutable_value()->Add(values.begin(), values.end());
}

}  // namespace

// ---- What the session offers ----

std::vector<ActionSpace> ExampleSession::ActionSpaces() {
  ActionSpace pipeline;
  pipeline.set_name("pipeline");
  pipeline.mutable_space()->mutable_string_value()->mutable_length_range()->set_min(1);
  return {PassSpace(kPassCount), pipeline};
}

std::vector<ObservationSpace> ExampleSession::ObservationSpaces() {
  std::vector<ObservationSpace> spaces(4);
  for (ObservationSpace& space : spaces) space.set_deterministic(true);

  spaces[kText].set_name("text");
  spaces[kText].mutable_space()->mutable_string_value();
  spaces[kText].mutable_default_observation()->set_string_value("");

  spaces[kSize].set_name("size");
  spaces[kSize].mutable_space()->mutable_int64_value()->set_min(0);
  spaces[kSize].mutable_default_observation()->set_int64_value(0);

  const std::vector<int64_t> low(strlen(kInstructions), 0);
  const std::vector<int64_t> high(strlen(kInstructions), std::numeric_limits<int64_t>::max());
  spaces[kFeatures].set_name("features");
  SetTensor(low, spaces[kFeatures].mutable_space()->mutable_int64_box()->mutable_low());
  SetTensor(high, spaces[kFeatures].mutable_space()->mutable_int64_box()->mutable_high());
  SetTensor(low, spaces[kFeatures].mutable_default_observation()->mutable_int64_tensor());

  // In seconds. It measures, so it is the one that a recovered session need not give again.
  spaces[kRunTime].set_name("run_time");
  spaces[kRunTime].set_deterministic(false);
  spaces[kRunTime].set_platform_dependent(true);
  spaces[kRunTime].mutable_space()->mutable_double_value()->set_min(0);
  spaces[kRunTime].mutable_default_observation()->set_double_value(0);
  return spaces;
}

// ---- What the session does ----

std::vector<std::string> ExampleSession::BenchmarkUris() {
  std::vector<std::string> uris;
  for (const Brought& brought : kBrought) uris.emplace_back(brought.uri);
  return uris;
}

absl::StatusOr<compiler_gym::Benchmark> ExampleSession::MakeBenchmark(
    absl::string_view uri, const SessionContext& /*context*/) {
  for (const Brought& brought : kBrought) {
    if (uri != brought.uri) continue;
    compiler_gym::Benchmark benchmark;
    benchmark.set_uri(brought.uri);
    benchmark.mutable_program()->set_contents(brought.program);
    return benchmark;
  }
  return absl::InvalidArgumentError(absl::StrCat("the benchmark is \"", uri, "\", must be one of ",
                                                 absl::StrJoin(BenchmarkUris(), ", ")));
}

absl::Status ExampleSession::Init(int action_space, const compiler_gym::Benchmark& benchmark) {
  return SetProgram(action_space, absl::StripAsciiWhitespace(benchmark.program().contents()));
}

absl::Status ExampleSession::SetProgram(int action_space, absl::string_view program) {
  is_pipeline_ = action_space == kPipeline;
  program_ = std::string(program);
  const size_t unknown = program_.find_first_not_of(kInstructions);
  if (unknown != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("no instruction at offset ", unknown));
  }
  return EndOfStep(/*had_no_effect=*/false);
}

bool ExampleSession::RunPass(size_t pass) {
  const std::string before = program_;
  int64_t rewrites_left = max_rewrites_;
  for (const Rewrite& rewrite : kPasses[pass].rewrites) {
    if (rewrite.from == nullptr) break;
    size_t at = 0;
    while (rewrites_left > 0 && (at = program_.find(rewrite.from)) != std::string::npos) {
      program_.replace(at, strlen(rewrite.from), rewrite.to);
      --rewrites_left;
    }
  }
  return program_ != before;
}

absl::StatusOr<ActionResult> ExampleSession::ApplyAction(const compiler_gym::Event& action) {
  std::vector<size_t> passes;
  if (!is_pipeline_) {
    passes.push_back(static_cast<size_t>(action.int64_value()));
  } else {
    for (const absl::string_view name : absl::StrSplit(action.string_value(), ',')) {
      const auto* pass = std::find_if(std::begin(kPasses), std::end(kPasses),
                                      [name](const Pass& known) { return known.name == name; });
      // Nothing has been touched yet, so there is nothing to rebuild.
      if (pass == std::end(kPasses)) {
        return CleanError(absl::InvalidArgumentError(absl::StrCat("unknown pass: ", name)));
      }
      passes.push_back(static_cast<size_t>(pass - std::begin(kPasses)));
    }
  }

  ActionResult result;
  result.had_no_effect = true;
  for (const size_t pass : passes) {
    if (RunPass(pass)) result.had_no_effect = false;
  }
  result.end_of_session = program_.empty();
  const bool expanded = !is_pipeline_ && passes.front() == kExpand;
  if (expanded) result.new_action_space = PassSpace(kExpand);
  return result;
}

absl::Status ExampleSession::EndOfStep(bool had_no_effect) {
  if (had_no_effect) return absl::OkStatus();
  features_.clear();
  for (const char instruction : absl::string_view(kInstructions)) {
    features_.push_back(std::count(program_.begin(), program_.end(), instruction));
  }
  return absl::OkStatus();
}

absl::StatusOr<Event> ExampleSession::ComputeObservation(int observation_space) {
  Event event;
  switch (observation_space) {
    case kText:
      event.set_string_value(program_);
      break;
    case kSize:
      event.set_int64_value(static_cast<int64_t>(program_.size()));
      break;
    case kFeatures:
      SetTensor(features_, event.mutable_int64_tensor());
      break;
    case kRunTime: {
      const absl::Time start = absl::Now();
      // A program that cannot run has no run time: an event without a value.
      if (!Execute(program_)) break;
      event.set_double_value(std::max(0.0, absl::ToDoubleSeconds(absl::Now() - start)));
      break;
    }
    default:
      break;
  }
  return event;
}

absl::StatusOr<absl::optional<ParameterResult>> ExampleSession::HandleParameter(
    absl::string_view key, absl::string_view value) {
  if (key == "example.max_rewrites") {
    int64_t limit = 0;
    if (!absl::SimpleAtoi(value, &limit) || limit < 0) {
      return CleanError(absl::InvalidArgumentError(absl::StrCat(key, " must be a number >= 0")));
    }
    max_rewrites_ = limit;
    return {ParameterResult{std::string(value), /*changed_state=*/true}};
  }
  if (key == "example.get_max_rewrites") {
    return {ParameterResult{absl::StrCat(max_rewrites_), /*changed_state=*/false}};
  }
  return {absl::nullopt};
}

// ---- Its state: what Fingerprint() digests, Snapshot() writes and Restore() reads ----

// What is derived is not in it.
std::string ExampleSession::StateText() const {
  return absl::StrCat(max_rewrites_, kSeparator, program_);
}

// FNV-1a: the same in every process, which absl::Hash and std::hash are not.
absl::StatusOr<std::string> ExampleSession::Fingerprint() {
  uint64_t hash = 14695981039346656037U;
  for (const char c : StateText()) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  return absl::StrCat(absl::Hex(hash, absl::kZeroPad16));
}

absl::StatusOr<absl::optional<SessionSnapshot>> ExampleSession::Snapshot() {
  return {SessionSnapshot{kSnapshotType, kSnapshotVersion, StateText()}};
}

absl::Status ExampleSession::Restore(int action_space, const compiler_gym::Benchmark& /*benchmark*/,
                                     const SessionSnapshot& snapshot) {
  if (snapshot.type != kSnapshotType || snapshot.version != kSnapshotVersion) {
    return UnknownSnapshotError(snapshot);
  }
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(snapshot.data, absl::MaxSplits(kSeparator, 1));
  if (!absl::SimpleAtoi(parts.first, &max_rewrites_) || max_rewrites_ < 0) {
    return absl::InvalidArgumentError("the snapshot does not begin with a number >= 0");
  }
  return SetProgram(action_space, parts.second);
}

}  // namespace holdfast
