#include "tests/worker/llvm/shuffle_heap.h"

#include <memory>
#include <random>
#include <vector>

namespace holdfast::llvm_session {

void ShuffleHeap(uint32_t seed) {
  std::mt19937 random(seed);
  static std::vector<std::unique_ptr<char[]>> blocks;  // Some stay.
  for (int i = 0; i < 5000; ++i) blocks.push_back(std::make_unique<char[]>(16 + random() % 700));
  for (auto& block : blocks) {
    if (random() % 4 != 0) block.reset();
  }
}

}  // namespace holdfast::llvm_session
