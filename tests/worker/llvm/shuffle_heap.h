// Tells what depends on addresses.
#ifndef HOLDFAST_TESTS_WORKER_LLVM_SHUFFLE_HEAP_H_
#define HOLDFAST_TESTS_WORKER_LLVM_SHUFFLE_HEAP_H_

#include <cstdint>

namespace holdfast::llvm_session {

// What is allocated later has other addresses, also in comparison with each other.
void ShuffleHeap(uint32_t seed);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_TESTS_WORKER_LLVM_SHUFFLE_HEAP_H_
