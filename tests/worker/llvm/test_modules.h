// Programs for tests that want many: the project's, and generated ones.
#ifndef HOLDFAST_TESTS_WORKER_LLVM_TEST_MODULES_H_
#define HOLDFAST_TESTS_WORKER_LLVM_TEST_MODULES_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace holdfast::llvm_session {

// A program that is not made yet.
struct TestModule {
  enum class Kind { kProgram, kSource, kCsmith, kStress };

  Kind kind = Kind::kProgram;
  std::string name;  // For people: "compressor.c", "csmith 3", "llvm-stress 7".
  uint32_t seed = 0;
  int size = 0;  // csmith: functions at most; llvm-stress: instructions.
};
std::ostream& operator<<(std::ostream& stream, const TestModule& module);

// `count` modules: the 18 programs of the project and 2 more in C and C++, then as many of csmith
// as of llvm-stress, with seeds from `seed`, of all sizes up to `max_functions` functions, or a
// hundred instructions for each.
std::vector<TestModule> TestModules(int count, uint32_t seed, int max_functions);

// The same bytes at every call: C, C++, bitcode or text IR.
absl::StatusOr<std::string> MakeModule(const TestModule& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_TESTS_WORKER_LLVM_TEST_MODULES_H_
