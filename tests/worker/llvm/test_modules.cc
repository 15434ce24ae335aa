#include "tests/worker/llvm/test_modules.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tests/worker/llvm/llvm_tools.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/benchmarks/benchmarks.h"

namespace holdfast::llvm_session {
namespace {

using Kind = TestModule::Kind;

constexpr char kShipped[] = "benchmark://holdfast-v0/";

constexpr char kExceptions[] = "exceptions.cc";

// What C has not: exceptions, methods, a template, a virtual call.
constexpr char kExceptionsSource[] = R"(
struct Shape {
  virtual ~Shape() = default;
  virtual int Area() const = 0;
};
struct Square : Shape {
  explicit Square(int side) : side(side) { if (side < 0) throw side; }
  int Area() const override { return side * side; }
  int side;
};
template <typename T>
T Sum(const T* values, int count) {
  T sum = T();
  for (int i = 0; i < count; ++i) sum += values[i];
  return sum;
}
int AreaOf(int side) noexcept {
  try {
    Square square(side);
    const Shape& shape = square;
    return shape.Area();
  } catch (int negative) {
    return AreaOf(-negative);
  } catch (...) {
    return 0;
  }
}
int main(int argc, char**) {
  int values[] = {AreaOf(argc), AreaOf(-argc), 3, 4};
  const double numbers[] = {0.5 * argc, 1.5};
  return Sum(values, 4) + static_cast<int>(Sum(numbers, 2));
}
)";

constexpr char kNotOptimised[] = "optnone.c";

// Passes leave out functions that are marked so.
constexpr char kNotOptimisedSource[] = R"(
static int square(int x) { return x * x; }
__attribute__((optnone, noinline)) int left_alone(int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += square(i) + 2 * 3;
  return sum;
}
int main(int argc, char** argv) {
  int sum = 0;
  for (int i = 0; i < argc; ++i) sum += square(i) + left_alone(i);
  return sum;
}
)";

}  // namespace

std::ostream& operator<<(std::ostream& stream, const TestModule& module) {
  return stream << module.name;
}

std::vector<TestModule> TestModules(int count, uint32_t seed, int max_functions) {
  std::vector<TestModule> modules;
  for (absl::string_view uri : BenchmarkUris()) {
    if (absl::ConsumePrefix(&uri, kShipped)) {
      modules.push_back({Kind::kProgram, absl::StrCat(uri, ".c")});
    }
  }
  modules.push_back({Kind::kSource, kExceptions});
  modules.push_back({Kind::kSource, kNotOptimised});
  for (uint32_t i = 0; modules.size() < static_cast<size_t>(count); ++i) {
    const uint32_t this_seed = seed + i / 2;
    const int size = 1 + static_cast<int>(this_seed % static_cast<uint32_t>(max_functions));
    modules.push_back(
        i % 2 == 0 ? TestModule{Kind::kCsmith, absl::StrCat("csmith ", this_seed), this_seed, size}
                   : TestModule{Kind::kStress, absl::StrCat("llvm-stress ", this_seed), this_seed,
                                100 * size});
  }
  modules.resize(count);
  return modules;
}

absl::StatusOr<std::string> MakeModule(const TestModule& module) {
  switch (module.kind) {
    case Kind::kProgram:
      return DemoProgram(module.name);
    case Kind::kSource:
      return std::string(module.name == kExceptions ? kExceptionsSource : kNotOptimisedSource);
    case Kind::kCsmith:
      return CsmithProgram(module.seed, module.size);
    case Kind::kStress:
      return StressProgram(module.seed, module.size);
  }
  return absl::InternalError("no such kind of module");
}

}  // namespace holdfast::llvm_session
