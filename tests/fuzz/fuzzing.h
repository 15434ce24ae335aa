// What all fuzz targets use.
#ifndef HOLDFAST_TESTS_FUZZ_FUZZING_H_
#define HOLDFAST_TESTS_FUZZ_FUZZING_H_

#include <fuzzer/FuzzedDataProvider.h>
#include <google/protobuf/stubs/logging.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"

namespace holdfast {

// Ends the process unless `holds`: libFuzzer then keeps the input.
inline void Require(bool holds, absl::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "Does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

// The parser's complaints about each malformed input.
inline void SilenceProtobuf() {
  static const bool once = [] {
    google::protobuf::SetLogHandler(nullptr);
    return true;
  }();
  static_cast<void>(once);
}

// A string from the input; one that libFuzzer can lengthen and shorten in place.
inline std::string ConsumeString(FuzzedDataProvider* input) {
  return input->ConsumeRandomLengthString();
}

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_FUZZ_FUZZING_H_
