#include "common/invariant.h"

#include <atomic>
#include <cassert>
#include <iostream>

namespace holdfast {
namespace {

std::atomic<int64_t> broken{0};

}  // namespace

void ReportBrokenInvariant(const std::string& message) {
  ++broken;
  std::cerr << "Broken invariant: " << message << std::endl;
  assert(false && "broken invariant");
}

int64_t BrokenInvariants() { return broken; }

}  // namespace holdfast
