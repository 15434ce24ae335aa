// Checks a benchmark that a client adds, and reads its program if that is a file.
#ifndef HOLDFAST_FRONTEND_BENCHMARKS_BENCHMARK_LOADER_H_
#define HOLDFAST_FRONTEND_BENCHMARKS_BENCHMARK_LOADER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast {

// Immutable, thread-safe.
class BenchmarkLoader {
 public:
  struct Options {
    // Directories below which file:// programs may lie, after links are resolved. None: no files.
    std::vector<std::string> roots;
    // Whether benchmarks may bring commands that are executed as the service's user.
    bool allow_commands = false;
    int64_t max_bytes = 0;  // Of a program.
  };

  // Of a benchmark's URI: it stands in logs and lists.
  static constexpr size_t kMaxUriBytes = 4096;

  explicit BenchmarkLoader(Options options) : options_(std::move(options)) {}

  // InvalidArgument, naming `field`, if `benchmark` lacks a URI or a program, has a URI of more
  // than kMaxUriBytes, or brings what is not allowed. Does not touch files.
  absl::Status Check(absl::string_view field, const compiler_gym::Benchmark& benchmark) const;

  // A benchmark that no client has sent loses its commands where none may be executed.
  void DropRefusedCommands(compiler_gym::Benchmark* benchmark) const {
    if (!options_.allow_commands) benchmark->clear_dynamic_config();
  }

  static bool IsFile(const compiler_gym::Benchmark& benchmark) {
    return benchmark.program().has_uri();
  }
  // Replaces the program's file:// URI by the file's contents, and takes its size off `bytes_left`.
  // May block. InvalidArgument, naming `field` and the file; RESOURCE_EXHAUSTED if the file is
  // larger than what is left.
  absl::Status ReadFile(absl::string_view field, compiler_gym::Benchmark* benchmark,
                        int64_t* bytes_left) const;

 private:
  const Options options_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_BENCHMARKS_BENCHMARK_LOADER_H_
