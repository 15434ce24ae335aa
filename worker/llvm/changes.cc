#include "worker/llvm/changes.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "worker/llvm/pass_runner.h"

namespace holdfast::llvm_session {
namespace {

// CompilerGym's client finds its flags in a CommandlineSpace, which only an Any can hold.
constexpr absl::string_view kCommandlineSpace = "PassesAll";

constexpr absl::string_view kLevelPrefix = "-O";  // Begins neither an index nor a pipeline.
constexpr size_t kMaxQuoted = 100;

bool HasTexts(const PassSpace& space) { return space.passes.empty(); }

compiler_gym::ActionSpace MakeActionSpace(const PassSpace& passes) {
  compiler_gym::ActionSpace space;
  space.set_name(std::string(passes.name));
  if (HasTexts(passes)) {
    auto& length = *space.mutable_space()->mutable_string_value()->mutable_length_range();
    length.set_min(1);
    length.set_max(kMaxPipelineSize);
  } else if (passes.name == kCommandlineSpace) {
    compiler_gym::CommandlineSpace flags;
    for (const Pass& pass : passes.passes) flags.add_name(std::string(pass.name));
    space.mutable_space()->mutable_any_value()->PackFrom(flags);
  } else {
    compiler_gym::NamedDiscreteSpace& names = *space.mutable_space()->mutable_named_discrete();
    for (const Pass& pass : passes.passes) names.add_name(std::string(pass.name));
  }
  return space;
}

absl::StatusOr<Pass> PassAt(absl::string_view what, int64_t index, absl::Span<const Pass> passes) {
  if (index >= 0 && static_cast<size_t>(index) < passes.size()) return passes[index];
  return absl::InvalidArgumentError(
      absl::StrCat(what, " ", index, " is not in [0, ", passes.size(), ")"));
}

absl::StatusOr<Change> ChangeOfIndex(int64_t index, const PassSpace& space) {
  const absl::StatusOr<Pass> pass = PassAt("action", index, space.passes);
  if (!pass.ok()) return pass.status();
  Change change;
  change.set_action(static_cast<int32_t>(index));
  return change;
}

absl::StatusOr<Change> ChangeOfPipeline(absl::string_view text) {
  if (text.empty() || text.size() > kMaxPipelineSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("a pipeline has ", text.size(), " bytes, must have 1 to ", kMaxPipelineSize));
  }
  // Lines separate the pipelines of a list, and what is a shell's command may be shown.
  const auto is_bad = [](char c) { return !absl::ascii_isprint(static_cast<unsigned char>(c)); };
  if (const auto bad = std::find_if(text.begin(), text.end(), is_bad); bad != text.end()) {
    return absl::InvalidArgumentError(absl::StrCat("a pipeline has something else at byte ",
                                                   bad - text.begin(),
                                                   ", must have printable ASCII only"));
  }
  absl::Status parsed = ParsePipeline(text);
  if (!parsed.ok()) return parsed;
  Change change;
  change.set_pipeline(std::string(text));
  return change;
}

absl::StatusOr<Change> ParseChange(absl::string_view text, const PassSpace& space) {
  if (absl::StartsWith(text, kLevelPrefix)) return ChangeOfBaseline(text);
  if (HasTexts(space)) return ChangeOfPipeline(text);
  int64_t index = 0;
  if (absl::SimpleAtoi(text, &index)) return ChangeOfIndex(index, space);
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text.substr(0, kMaxQuoted),
                   "\" must be the index of an action, or an optimisation level"));
}

}  // namespace

std::vector<compiler_gym::ActionSpace> MakeActionSpaces() {
  std::vector<compiler_gym::ActionSpace> spaces;
  for (const PassSpace& passes : PassSpaces()) spaces.push_back(MakeActionSpace(passes));
  return spaces;
}

absl::StatusOr<Change> ChangeOfAction(const compiler_gym::Event& action, const PassSpace& space) {
  // The runtime has checked this, but for a CommandlineSpace whose type it may not know.
  if (HasTexts(space)) {
    if (action.has_string_value()) return ChangeOfPipeline(action.string_value());
    return absl::InvalidArgumentError("an action is a string_value, the text of a pipeline");
  }
  if (action.has_int64_value()) return ChangeOfIndex(action.int64_value(), space);
  return absl::InvalidArgumentError("an action is an int64_value, the pass's index");
}

absl::StatusOr<Change> ChangeOfBaseline(absl::string_view level) {
  const absl::Span<const Pass> levels = BaselinePasses();
  const auto found = std::find_if(levels.begin(), levels.end(),
                                  [&](const Pass& pass) { return pass.name == level; });
  if (found == levels.end()) {
    const auto add_name = [](std::string* out, const Pass& pass) {
      absl::StrAppend(out, pass.name);
    };
    return absl::InvalidArgumentError(absl::StrCat("\"", level.substr(0, kMaxQuoted),
                                                   "\" is no optimisation level, must be one of ",
                                                   absl::StrJoin(levels, ", ", add_name)));
  }
  Change change;
  change.set_baseline(static_cast<int32_t>(found - levels.begin()));
  return change;
}

absl::StatusOr<std::vector<Change>> ParseChanges(absl::string_view text, const PassSpace& space) {
  std::vector<Change> changes;
  const absl::ByAnyChar separators(HasTexts(space) ? "\n" : ",\n");
  for (const absl::string_view part : absl::StrSplit(text, separators, absl::SkipEmpty())) {
    absl::StatusOr<Change> change = ParseChange(part, space);
    if (!change.ok()) return change.status();
    changes.push_back(*std::move(change));
  }
  return changes;
}

absl::StatusOr<Pass> PassOf(const Change& change, const PassSpace& space) {
  switch (change.what_case()) {
    case Change::kAction:
      return PassAt("action", change.action(), space.passes);
    case Change::kPipeline:
      if (HasTexts(space)) return PipelinePass(change.pipeline());
      break;
    case Change::kBaseline:
      return PassAt("baseline", change.baseline(), BaselinePasses());
    case Change::WHAT_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is a change that the action space ", space.name, " does not have"));
}

}  // namespace holdfast::llvm_session
