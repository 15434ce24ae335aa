// How a worker misbehaves before it serves: --start_mode, --start_marker, --start_failures.
#ifndef HOLDFAST_TESTS_TESTCASES_START_MODES_H_
#define HOLDFAST_TESTS_TESTCASES_START_MODES_H_

#include <string>

#include "absl/strings/string_view.h"

namespace holdfast {

// The value of the last `--name=value` among the arguments.
std::string Argument(int argc, char** argv, absl::string_view name, std::string value);

// Does what the arguments of a worker say. Before the runtime sees them.
void StartAsTold(int argc, char** argv);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_TESTCASES_START_MODES_H_
