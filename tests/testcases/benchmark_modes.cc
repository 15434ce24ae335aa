#include "tests/testcases/benchmark_modes.h"

#include <signal.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/testcases/misbehaviour.h"

namespace holdfast {
namespace {

using compiler_gym::Benchmark;
using Made = absl::StatusOr<Benchmark>;

constexpr absl::string_view kDataset = "benchmark://misbehaving-v0/";

Benchmark Good() {
  Benchmark benchmark;
  benchmark.set_uri("benchmark://a-name/of-its-own");
  benchmark.mutable_program()->set_contents("ok");
  return benchmark;
}

struct Mode {
  const char* name;
  Made (*make)(const std::string& marker_file);
};

const Mode kModes[] = {
    {"ok", [](const std::string&) -> Made { return Good(); }},
    {"crash", [](const std::string&) -> Made { Die(SIGSEGV); }},
    {"crash-once",
     [](const std::string& marker) -> Made {
       if (IsFirst(marker)) Die(SIGSEGV);
       return Good();
     }},
    {"hang", [](const std::string&) -> Made { Hang(); }},
    {"wait",
     [](const std::string& marker) -> Made {
       WaitForGo(marker);
       return Good();
     }},
    {"refuse",
     [](const std::string&) -> Made { return absl::InvalidArgumentError("no such benchmark"); }},
    {"unavailable", [](const std::string&) -> Made { return absl::UnavailableError("not now"); }},
    {"not-found", [](const std::string&) -> Made { return absl::NotFoundError("no such tool"); }},
    {"throw", [](const std::string&) -> Made { throw std::runtime_error("cannot make it"); }},
    {"no-program", [](const std::string&) -> Made { return Benchmark(); }},
    {"commands",
     [](const std::string&) -> Made {
       Benchmark benchmark = Good();
       benchmark.mutable_dynamic_config()->mutable_build_cmd()->add_argument("true");
       return benchmark;
     }},
};

Made MakeAsTold(absl::string_view uri, const SessionContext& /*context*/) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(absl::StripPrefix(uri, kDataset), absl::MaxSplits(':', 1));
  for (const Mode& mode : kModes) {
    if (parts.first == mode.name) return mode.make(parts.second);
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no ", uri));
}

}  // namespace

SessionType WithBenchmarks(SessionType type) {
  for (const Mode& mode : kModes) {
    type.benchmark_uris.push_back(absl::StrCat(kDataset, mode.name));
  }
  type.make_benchmark = MakeAsTold;
  return type;
}

}  // namespace holdfast
