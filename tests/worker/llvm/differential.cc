#include "tests/worker/llvm/differential.h"

#include <sys/resource.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include "absl/base/config.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tests/worker/llvm/llvm_tools.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/compute_in_child.h"
#include "worker/llvm/llvm_snapshot.pb.h"
#include "worker/llvm/pass_tables.h"

namespace holdfast::llvm_session {
namespace {

constexpr absl::Duration kLimit = absl::Minutes(1);  // As the tools have.

// Passes that may differ, and why.
struct KnownDifference {
  absl::string_view pass;
  absl::string_view evidence;
};
constexpr char kName[] = "depends on the module's name, which opt takes from the file";
constexpr KnownDifference kKnown[] = {
    {"asan", kName},
    {"debugify", kName},
    {"metarenamer", kName},
    {"unify-loop-exits",
     "after newgvn on csmith's program 10: SIGSEGV in 5 of 13 processes, in none of 36 later"},
};

absl::Span<const Pass> PassesOf(absl::string_view name) {
  const absl::Span<const PassSpace> spaces = PassSpaces();
  return std::find_if(spaces.begin(), spaces.end(),
                      [&](const PassSpace& space) { return space.name == name; })
      ->passes;
}

const KnownDifference* FindKnown(const Pass& pass) {
  return std::find_if(std::begin(kKnown), std::end(kKnown),
                      [&](const KnownDifference& known) { return known.pass == pass.pipeline; });
}

std::string FirstDifference(absl::string_view ours, absl::string_view theirs) {
  const std::vector<absl::string_view> our_lines = absl::StrSplit(ours, '\n');
  const std::vector<absl::string_view> their_lines = absl::StrSplit(theirs, '\n');
  size_t i = 0;
  while (i < our_lines.size() && i < their_lines.size() && our_lines[i] == their_lines[i]) ++i;
  const auto line = [i](const std::vector<absl::string_view>& lines) {
    return i < lines.size() ? lines[i] : "(the end)";
  };
  return absl::StrCat("line ", i + 1, "\n  session: ", line(our_lines),
                      "\n  opt:     ", line(their_lines));
}

// The text without the module's name, which opt takes from a file, and without the comments that
// list a block's predecessors: they show the order of use lists, which sessions sort after some
// passes.
std::string ComparableText(absl::string_view ir) {
  constexpr char kComment[] = "; preds = ";
  std::vector<std::string> lines = absl::StrSplit(ir, '\n');
  lines.erase(lines.begin());
  for (std::string& line : lines) {
    const size_t comment = line.find(kComment);
    if (!line.empty() && line[0] != ' ' && comment != std::string::npos) line.resize(comment);
  }
  return absl::StrJoin(lines, "\n");
}

// The text after a step, or why there is none.
using Outcome = absl::StatusOr<std::string>;

Outcome TextOf(absl::string_view bitcode) {
  const Outcome text = Disassemble(bitcode);
  return text.ok() ? ComparableText(*text) : text;
}

bool Agree(const Outcome& ours, const Outcome& theirs) {
  return ours.ok() && theirs.ok() ? *ours == *theirs : ours.ok() == theirs.ok();
}

std::string Describe(const Outcome& ours, const Outcome& theirs) {
  if (ours.ok() && theirs.ok()) return FirstDifference(*ours, *theirs);
  return absl::StrCat("\n  session: ", ours.status().ToString(),
                      "\n  opt:     ", theirs.status().ToString());
}

class Walk {
 public:
  explicit Walk(DifferentialTally* tally) : tally_(tally) {}

  absl::Status Start(absl::string_view space, absl::string_view program) {
    if (absl::Status status = session_.Init(space, program); !status.ok()) return status;
    absl::StatusOr<compiler_gym::Event> bitcode = session_.Observe("Bitcode");
    if (!bitcode.ok()) return bitcode.status();
    theirs_ = bitcode->byte_tensor().value();
    const Outcome ours = OurText();
    has_triple_ = absl::StrContains(*ours, "\ntarget triple = ");
    const Outcome theirs = TextOf(theirs_);
    if (!Agree(ours, theirs)) {
      tally_->differences.push_back(absl::StrCat("before any pass: ", Describe(ours, theirs)));
    }
    return absl::OkStatus();
  }

  void Step(const Pass& pass) {
    ++tally_->steps;
    const std::string before = OurBitcode();
    // In a child: it costs nothing if it crashes. It has the addresses of this process, so that a
    // pass that it survives can be repeated here.
    const Outcome ours = ComputeInChild(kLimit, [&]() -> Outcome {
      const absl::StatusOr<bool> had_effect = session_.Step(pass.name);
      if (!had_effect.ok()) return had_effect.status();
      return OurText();
    });
    std::string next = theirs_;
    Outcome theirs = OptText(pass, &next);
    if (absl::IsDeadlineExceeded(ours.status()) || absl::IsDeadlineExceeded(theirs.status())) {
      ++tally_->too_slow;
      return;
    }
    bool is_same_state = true;
    if (Agree(ours, theirs)) {
      ++(ours.ok() ? tally_->equal : tally_->failed_in_both);
    } else {
      next = before;
      theirs = OptText(pass, &next);
      is_same_state = false;
      TellAlone(pass, ours, theirs);
    }
    if (ours.ok()) Apply(pass, *ours);
    theirs_ = is_same_state ? std::move(next) : OurBitcode();
  }

 private:
  std::string OurText() { return ComparableText(session_.Ir()); }

  // With the order of use lists, which Bitcode does not say.
  std::string OurBitcode() {
    const auto snapshot = session_.session().Snapshot();
    LlvmSnapshot saved;
    return snapshot.ok() && saved.ParseFromString((*snapshot)->data) ? saved.bitcode() : "";
  }

  // Of opt, on `bitcode`, which becomes what opt made of it if it made anything.
  Outcome OptText(const Pass& pass, std::string* bitcode) const {
    const bool does_nothing =
        pass.pipeline.empty() || (pass.quirk == Quirk::kNeedsTarget && !has_triple_);
    if (!does_nothing) {
      absl::StatusOr<std::string> made = RunOpt(pass.pipeline, *bitcode);
      if (!made.ok()) return made;
      *bitcode = *std::move(made);
    }
    return TextOf(*bitcode);
  }

  void TellAlone(const Pass& pass, const Outcome& ours, const Outcome& theirs) {
    if (Agree(ours, theirs)) {
      ++tally_->equal_alone;
    } else if (const KnownDifference* known = FindKnown(pass); known != std::end(kKnown)) {
      tally_->known.push_back(
          absl::StrCat(pass.name, " (", known->evidence, "): ", Describe(ours, theirs)));
    } else {
      Complain(pass, Describe(ours, theirs));
    }
  }

  void Apply(const Pass& pass, const std::string& expected) {
    const std::string before = session_.Ir();
    const absl::StatusOr<bool> had_effect = session_.Step(pass.name);
    const std::string after = session_.Ir();
    if (!had_effect.ok()) {
      Complain(pass, absl::StrCat("failed at the second time: ", had_effect.status().ToString()));
    } else if (ComparableText(after) != expected) {
      Complain(pass, absl::StrCat("not the same twice: ",
                                  FirstDifference(ComparableText(after), expected)));
    } else if (*had_effect != (after != before)) {
      Complain(pass, absl::StrCat("says that its effect is ", *had_effect, ", which it is not"));
    }
  }

  void Complain(const Pass& pass, absl::string_view what) {
    tally_->differences.push_back(
        absl::StrCat("after ", tally_->steps - 1, " steps, ", pass.name, ": ", what));
  }

  DifferentialTally* const tally_;
  SessionUnderTest session_;
  bool has_triple_ = false;
  std::string theirs_;  // Bitcode.
};

}  // namespace

void DifferentialTally::Add(const DifferentialTally& other) {
  steps += other.steps;
  equal += other.equal;
  equal_alone += other.equal_alone;
  failed_in_both += other.failed_in_both;
  too_slow += other.too_slow;
  known.insert(known.end(), other.known.begin(), other.known.end());
  differences.insert(differences.end(), other.differences.begin(), other.differences.end());
}

std::string DifferentialTally::Describe() const {
  return absl::StrCat(steps, " steps: ", equal, " equal, ", equal_alone,
                      " equal from the session's own bitcode, ", failed_in_both,
                      " failed in both, ", too_slow, " too slow, ", known.size(),
                      " known to vary, ", differences.size(), " different");
}

std::vector<std::string> RandomPasses(absl::string_view space, uint32_t seed, int count) {
  const absl::Span<const Pass> passes = PassesOf(space);
  const auto* const sroa = std::find_if(passes.begin(), passes.end(),
                                        [](const Pass& pass) { return pass.pipeline == "sroa"; });
  std::vector<std::string> names = {std::string(sroa->name)};
  std::mt19937 random(seed);
  while (names.size() < static_cast<size_t>(count)) {
    names.emplace_back(passes[random() % passes.size()].name);
  }
  return names;
}

absl::Status Compare(absl::string_view program, absl::string_view space,
                     const std::vector<std::string>& passes, DifferentialTally* tally) {
  Walk session_and_opt(tally);
  if (absl::Status started = session_and_opt.Start(space, program); !started.ok()) return started;
  for (const std::string& name : passes) {
    const auto of_space = PassesOf(space);
    session_and_opt.Step(*std::find_if(of_space.begin(), of_space.end(),
                                       [&](const Pass& pass) { return pass.name == name; }));
  }
  return absl::OkStatus();
}

void LimitResources() {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
#if !defined(ABSL_HAVE_ADDRESS_SANITIZER) && !defined(ABSL_HAVE_THREAD_SANITIZER)
  const rlimit memory{rlim_t{4} << 30, rlim_t{4} << 30};
  setrlimit(RLIMIT_AS, &memory);
#endif
}

}  // namespace holdfast::llvm_session
