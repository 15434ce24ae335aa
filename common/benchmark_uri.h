// Which benchmarks a session type brings: told by the beginnings of their URIs. Pure functions.
#ifndef HOLDFAST_COMMON_BENCHMARK_URI_H_
#define HOLDFAST_COMMON_BENCHMARK_URI_H_

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace holdfast {

// "benchmark://holdfast-v0/" of "benchmark://holdfast-v0/NAME".
inline absl::string_view BenchmarkDataset(absl::string_view uri) {
  return uri.substr(0, uri.rfind('/') + 1);
}

// Whether `uri` is of the dataset of one of `listed`, a range of URIs.
template <typename Uris>
bool IsBenchmarkOf(const Uris& listed, absl::string_view uri) {
  return std::any_of(listed.begin(), listed.end(), [uri](const std::string& known) {
    const absl::string_view dataset = BenchmarkDataset(known);
    return !dataset.empty() && absl::StartsWith(uri, dataset);
  });
}

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_BENCHMARK_URI_H_
