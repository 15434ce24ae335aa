// The reference of flags and metrics is what the service says.
#include <gtest/gtest.h>

#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

TEST(ReferenceTest, IsUpToDate) {
  const ProgramResult result = RunProgram({"python3", RunfilePath("deploy/reference.py"), "--check",
                                           RunfilePath("worker/example/example_worker")});
  EXPECT_EQ(result.exit, 0) << result.out << result.err;
}

}  // namespace
}  // namespace holdfast
