// What the original program costs when LLVM's own pipelines have optimised it.
#ifndef HOLDFAST_WORKER_LLVM_BASELINES_H_
#define HOLDFAST_WORKER_LLVM_BASELINES_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/map.h"
#include "worker/llvm/benchmark_commands.h"
#include "worker/llvm/metrics.h"

namespace holdfast::llvm_session {

// Each value is computed when it is first asked for, and kept; a failure, too. The program is
// optimised at most once for each level, in a child process with a time limit of its own.
class Baselines {
 public:
  using Values = google::protobuf::Map<std::string, int64_t>;

  // `original`: bitcode, text IR or source. Not read before a value is asked for.
  Baselines(std::string original, const BenchmarkCommands* commands, std::string scratch_directory);

  // Of the program after `default<LEVEL>`, LEVEL as in "Oz". Errors name the level, and are not
  // kept: the next time the machine may be less busy.
  absl::StatusOr<int64_t> Get(Metric metric, absl::string_view level);

  // The values that are known, for a snapshot, and back.
  void Save(Values* values) const;
  void Restore(const Values& values);

 private:
  absl::StatusOr<int64_t> Compute(Metric metric, absl::string_view level);
  // OK: the program of this level is in FileOf().
  absl::Status Optimise(absl::string_view level);
  std::string FileOf(absl::string_view level) const;

  std::string original_;
  const BenchmarkCommands* const commands_;
  const std::string scratch_directory_;
  std::set<std::string, std::less<>> optimised_;        // The levels whose files are there.
  std::map<std::string, int64_t, std::less<>> values_;  // As "TextSizeO3".
};

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_BASELINES_H_
