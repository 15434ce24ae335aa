// The LLVM service: run plainly it is a complete service; as a worker it holds one session.
#include "worker/llvm/llvm_session.h"
#include "worker/service/create_and_run_service.h"

int main(int argc, char** argv) {
  return holdfast::CreateAndRunService<holdfast::llvm_session::LlvmSession>(
      argc, argv,
      "A compiler service for LLVM 19: programs are bitcode, text IR or C, actions are passes.");
}
