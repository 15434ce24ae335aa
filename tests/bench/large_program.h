// Programs of any size, to measure with.
#ifndef HOLDFAST_TESTS_BENCH_LARGE_PROGRAM_H_
#define HOLDFAST_TESTS_BENCH_LARGE_PROGRAM_H_

#include <string>

namespace holdfast {

// C of so many functions, none of which is like another: 113 instructions each, not optimised.
std::string LargeProgram(int functions);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_LARGE_PROGRAM_H_
