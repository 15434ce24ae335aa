#include "worker/llvm/observations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Support/raw_ostream.h"
#include "worker/llvm/cpu_info.h"
#include "worker/llvm/instruction_features.h"
#include "worker/llvm/ir_lexer.h"
#include "worker/llvm/metrics.h"
#include "worker/llvm/module_sha1.h"
#include "worker/llvm/program_graph.h"

namespace holdfast::llvm_session {
namespace {

using compiler_gym::Event;
using compiler_gym::ObservationSpace;

// Kinds of space. Each sets the default observation too: what a client uses when a crash kept it
// from getting one.

void StringSpace(ObservationSpace& space) {
  space.mutable_space()->mutable_string_value()->mutable_length_range()->set_min(0);
  space.mutable_default_observation()->set_string_value("");
}

void PathSpace(ObservationSpace& space) {
  StringSpace(space);
  space.mutable_space()->mutable_string_value()->mutable_length_range()->set_max(4096);
}

void ByteSequence(ObservationSpace& space) {
  compiler_gym::ByteSequenceSpace& bytes = *space.mutable_space()->mutable_byte_sequence();
  bytes.mutable_length_range()->set_min(0);
  bytes.mutable_scalar_range()->set_min(0);
  bytes.mutable_scalar_range()->set_max(255);
  space.mutable_default_observation()->mutable_byte_tensor()->add_shape(0);
}

void Count(ObservationSpace& space) {
  space.mutable_space()->mutable_int64_value()->set_min(0);
  space.mutable_default_observation()->set_int64_value(0);
}

void Boolean(ObservationSpace& space) {
  space.mutable_space()->mutable_boolean_value()->set_min(false);
  space.mutable_space()->mutable_boolean_value()->set_max(true);
  space.mutable_default_observation()->set_boolean_value(false);
}

void Seconds(ObservationSpace& space) {
  compiler_gym::DoubleSequenceSpace& times = *space.mutable_space()->mutable_double_sequence();
  times.mutable_length_range()->set_min(0);
  times.mutable_scalar_range()->set_min(0);
  space.mutable_default_observation()->mutable_double_tensor()->add_shape(0);
}

template <int kSize>
void Counts(ObservationSpace& space) {
  compiler_gym::Int64Box& box = *space.mutable_space()->mutable_int64_box();
  compiler_gym::Int64Tensor& zeros = *space.mutable_default_observation()->mutable_int64_tensor();
  box.mutable_low()->add_shape(kSize);
  box.mutable_high()->add_shape(kSize);
  zeros.add_shape(kSize);
  for (int i = 0; i < kSize; ++i) {
    box.mutable_low()->add_value(0);
    box.mutable_high()->add_value(std::numeric_limits<int64_t>::max());
    zeros.add_value(0);
  }
}

compiler_gym::Opaque MakeOpaque(absl::string_view format, std::string data) {
  compiler_gym::Opaque opaque;
  opaque.set_format(std::string(format));
  opaque.set_data(std::move(data));
  return opaque;
}

constexpr absl::string_view kJson = "json://";
constexpr absl::string_view kGraphJson = "json://networkx/MultiDiGraph";

// Declared as a string, as CompilerGym's clients expect; the value is a JSON text of that format.
void JsonSpace(ObservationSpace& space, absl::string_view format, const char* nothing) {
  StringSpace(space);
  space.mutable_default_observation()->mutable_any_value()->PackFrom(MakeOpaque(format, nothing));
}

constexpr char kNoGraph[] =
    R"({"directed":true,"multigraph":true,"graph":{},"nodes":[],"links":[]})";

void CpuInfoSpace(ObservationSpace& space) { JsonSpace(space, kJson, "{}"); }
void ProgramlSpace(ObservationSpace& space) { JsonSpace(space, kGraphJson, kNoGraph); }
void ProgramlJsonSpace(ObservationSpace& space) { JsonSpace(space, kJson, kNoGraph); }

Event MakeLexedIr(absl::Span<const IrToken> tokens) {
  Event event;
  auto& tensors = *event.mutable_event_dict()->mutable_event();
  compiler_gym::Int64Tensor& ids = *tensors["token_id"].mutable_int64_tensor();
  ids.add_shape(tokens.size());
  ids.mutable_value()->Reserve(static_cast<int>(tokens.size()));
  for (const IrToken& token : tokens) ids.add_value(token.kind->id);
  const auto add = [&](const char* name, auto&& text_of) {
    compiler_gym::StringTensor& texts = *tensors[name].mutable_string_tensor();
    texts.add_shape(tokens.size());
    texts.mutable_value()->Reserve(static_cast<int>(tokens.size()));
    for (const IrToken& token : tokens) texts.add_value(std::string(text_of(token)));
  };
  add("token_kind", [](const IrToken& token) { return token.kind->name; });
  add("token_category", [](const IrToken& token) { return token.kind->category; });
  add("token_value", [](const IrToken& token) { return token.value; });
  return event;
}

// Declared as a string, too; the value is a dictionary.
void LexedIrSpace(ObservationSpace& space) {
  StringSpace(space);
  *space.mutable_default_observation() = MakeLexedIr({});
}

// Computations.

absl::StatusOr<Event> Ir(Program& program) {
  Event event;
  llvm::raw_string_ostream stream(*event.mutable_string_value());
  program.module().print(stream, /*AAW=*/nullptr);
  return event;
}

absl::StatusOr<Event> Bitcode(Program& program) {
  llvm::SmallVector<char, 0> bitcode;
  llvm::raw_svector_ostream stream(bitcode);
  llvm::WriteBitcodeToFile(program.module(), stream);
  Event event;
  event.mutable_byte_tensor()->add_shape(bitcode.size());
  event.mutable_byte_tensor()->set_value(bitcode.data(), bitcode.size());
  return event;
}

// The client reads the file and removes it; what it leaves goes with the session.
absl::StatusOr<Event> BitcodeFile(Program& program) {
  const std::string& directory = program.client_files_directory();
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", directory));
  }
  std::string path = directory + "/module-XXXXXX.bc";
  const int file = mkostemps(path.data(), 3, O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", path));
  llvm::raw_fd_ostream stream(file, /*shouldClose=*/true);
  llvm::WriteBitcodeToFile(program.module(), stream);
  stream.close();
  if (stream.has_error()) {
    const std::string why = stream.error().message();
    stream.clear_error();  // Or its destructor ends the process.
    unlink(path.c_str());
    return absl::ResourceExhaustedError(absl::StrCat("cannot write ", path, ": ", why));
  }
  Event event;
  event.set_string_value(path);
  return event;
}

Event Tensor(absl::Span<const int64_t> values) {
  Event event;
  event.mutable_int64_tensor()->add_shape(values.size());
  event.mutable_int64_tensor()->mutable_value()->Add(values.begin(), values.end());
  return event;
}

absl::StatusOr<Event> InstCountOf(Program& program) { return Tensor(InstCount(program.module())); }

absl::StatusOr<Event> AutophaseOf(Program& program) { return Tensor(Autophase(program.module())); }

Event IntegerEvent(int64_t value) {
  Event event;
  event.set_int64_value(value);
  return event;
}

template <Metric kMetric>
absl::StatusOr<Event> Cost(Program& program) {
  const absl::StatusOr<int64_t> cost = Measure(kMetric, program.module(), program.build());
  if (!cost.ok()) return cost.status();
  return IntegerEvent(*cost);
}

constexpr char kO0[] = "O0";
constexpr char kO3[] = "O3";
constexpr char kOz[] = "Oz";

template <Metric kMetric, const char* kLevel>
absl::StatusOr<Event> Baseline(Program& program) {
  const absl::StatusOr<int64_t> cost = program.baselines().Get(kMetric, kLevel);
  if (!cost.ok()) return cost.status();
  return IntegerEvent(*cost);
}

absl::StatusOr<Event> IsBuildable(Program& program) {
  Event event;
  event.set_boolean_value(program.build().commands().is_buildable());
  return event;
}

absl::StatusOr<Event> IsRunnable(Program& program) {
  Event event;
  event.set_boolean_value(program.build().commands().is_runnable());
  return event;
}

absl::StatusOr<Event> TimesEvent(const absl::StatusOr<std::vector<double>>& times) {
  if (!times.ok()) return times.status();
  Event event;
  event.mutable_double_tensor()->add_shape(times->size());
  event.mutable_double_tensor()->mutable_value()->Add(times->begin(), times->end());
  return event;
}

absl::StatusOr<Event> Runtime(Program& program) {
  if (!program.build().commands().is_runnable()) return Event();
  const SessionParameters& parameters = program.parameters();
  absl::StatusOr<Event> times = TimesEvent(program.build().RunTimes(
      program.module(), parameters.warmup_runs_count_per_runtime_observation,
      parameters.runtimes_per_observation_count));
  // A program that fails after passes is no mistake of the caller's: they have broken it.
  if (program.is_changed() && absl::IsInvalidArgument(times.status())) {
    return absl::InternalError(times.status().message());
  }
  return times;
}

absl::StatusOr<Event> Buildtime(Program& program) {
  if (!program.build().commands().is_buildable()) return Event();
  return TimesEvent(program.build().BuildTimes(
      program.module(), program.parameters().buildtimes_per_observation_count));
}

absl::StatusOr<Event> IrSha1(Program& program) {
  Event event;
  event.set_string_value(ModuleSha1(program.module()));
  return event;
}

absl::StatusOr<Event> LexedIr(Program& program) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  program.module().print(stream, /*AAW=*/nullptr);
  return MakeLexedIr(LexIr(text));
}

Event JsonEvent(absl::string_view format, std::string json) {
  Event event;
  event.mutable_any_value()->PackFrom(MakeOpaque(format, std::move(json)));
  return event;
}

absl::StatusOr<Event> CpuInfo(Program&) { return JsonEvent(kJson, CpuInfoJson()); }

absl::StatusOr<Event> Graph(Program& program, absl::string_view format) {
  absl::StatusOr<std::string> json = ProgramGraphJson(program.module());
  if (!json.ok()) return json.status();
  return JsonEvent(format, *std::move(json));
}

absl::StatusOr<Event> Programl(Program& program) { return Graph(program, kGraphJson); }
absl::StatusOr<Event> ProgramlJson(Program& program) { return Graph(program, kJson); }

// One row an observation: to add one, add a row (at the end: clients know their index) and its
// function.
struct Row {
  absl::string_view name;
  void (*describe)(ObservationSpace& space);
  absl::StatusOr<Event> (*compute)(Program& program);
  bool deterministic = true;
  bool platform_dependent = false;
};

constexpr Row kRows[] = {
    {"Ir", StringSpace, Ir},
    {"Bitcode", ByteSequence, Bitcode},
    {"InstCount", Counts<kInstCountSize>, InstCountOf},
    {"Autophase", Counts<kAutophaseSize>, AutophaseOf},
    {"IrInstructionCount", Count, Cost<Metric::kInstructionCount>},
    {"IrInstructionCountO0", Count, Baseline<Metric::kInstructionCount, kO0>},
    {"IrInstructionCountO3", Count, Baseline<Metric::kInstructionCount, kO3>},
    {"IrInstructionCountOz", Count, Baseline<Metric::kInstructionCount, kOz>},
    {"IrSha1", StringSpace, IrSha1},
    {"BitcodeFile", PathSpace, BitcodeFile, /*deterministic=*/false},
    {"CpuInfo", CpuInfoSpace, CpuInfo, true, /*platform_dependent=*/true},
    {"LexedIr", LexedIrSpace, LexedIr},
    {"Programl", ProgramlSpace, Programl},
    {"ProgramlJson", ProgramlJsonSpace, ProgramlJson},
    {"IsBuildable", Boolean, IsBuildable, true, true},
    {"IsRunnable", Boolean, IsRunnable, true, true},
    {"Runtime", Seconds, Runtime, false, true},
    {"Buildtime", Seconds, Buildtime, false, true},
    {"TextSizeBytes", Count, Cost<Metric::kTextSize>, true, true},
    {"TextSizeO0", Count, Baseline<Metric::kTextSize, kO0>, true, true},
    {"TextSizeO3", Count, Baseline<Metric::kTextSize, kO3>, true, true},
    {"TextSizeOz", Count, Baseline<Metric::kTextSize, kOz>, true, true},
    {"ObjectTextSizeBytes", Count, Cost<Metric::kObjectTextSize>, true, true},
    {"ObjectTextSizeO0", Count, Baseline<Metric::kObjectTextSize, kO0>, true, true},
    {"ObjectTextSizeO3", Count, Baseline<Metric::kObjectTextSize, kO3>, true, true},
    {"ObjectTextSizeOz", Count, Baseline<Metric::kObjectTextSize, kOz>, true, true},
};

}  // namespace

std::vector<ObservationSpace> MakeObservationSpaces() {
  std::vector<ObservationSpace> spaces;
  for (const Row& row : kRows) {
    ObservationSpace& space = spaces.emplace_back();
    space.set_name(std::string(row.name));
    space.set_deterministic(row.deterministic);
    space.set_platform_dependent(row.platform_dependent);
    row.describe(space);
  }
  return spaces;
}

absl::StatusOr<Event> Observe(int index, Program& program) {
  const absl::Span<const Row> rows(kRows);
  if (index < 0 || static_cast<size_t>(index) >= rows.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("observation space ", index, " is not in [0, ", rows.size(), ")"));
  }
  return rows[index].compute(program);
}

}  // namespace holdfast::llvm_session
