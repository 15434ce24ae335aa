// How a worker misbehaves before it serves: --start_mode, --start_marker, --start_failures.
#ifndef HOLDFAST_TESTS_TESTCASES_START_MODES_H_
#define HOLDFAST_TESTS_TESTCASES_START_MODES_H_

namespace holdfast {

// Does what the arguments of a worker say. Before the runtime sees them.
void StartAsTold(int argc, char** argv);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_TESTCASES_START_MODES_H_
