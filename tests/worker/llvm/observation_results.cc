// Prints a digest of each observation that promises the same in every process, of a program and of
// what some passes make of it: observation_results BITCODE_FILE SEED_OF_HEAP.
#include <google/protobuf/text_format.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "llvm/Support/xxhash.h"
#include "tests/worker/llvm/shuffle_heap.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

bool PrintObservations(SessionUnderTest& session) {
  for (const auto& space : LlvmSession::ObservationSpaces()) {
    if (!space.deterministic()) continue;
    const absl::StatusOr<compiler_gym::Event> event = session.Observe(space.name());
    if (!event.ok()) return false;
    std::string text;  // With dictionaries in order.
    google::protobuf::TextFormat::PrintToString(*event, &text);
    std::cout << space.name() << " " << absl::StrCat(absl::Hex(llvm::xxh3_64bits(text))) << "\n";
  }
  return true;
}

bool Run(const char* file, uint32_t seed) {
  ShuffleHeap(seed);
  std::ifstream stream(file, std::ios::binary);
  const std::string bitcode(std::istreambuf_iterator<char>(stream), {});
  SessionUnderTest session;
  if (!session.Init("PassesAll", bitcode).ok() || !PrintObservations(session)) return false;
  for (const char* pass : {"-inline", "-newgvn", "-loop-rotate", "-strip"}) {
    if (!session.Step(pass).ok() || !PrintObservations(session)) return false;
  }
  return true;
}

}  // namespace
}  // namespace holdfast::llvm_session

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return holdfast::llvm_session::Run(argv[1], static_cast<uint32_t>(std::atoi(argv[2]))) ? 0 : 1;
}
