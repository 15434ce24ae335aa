#include "worker/failure_handler.h"

#include <execinfo.h>
#include <signal.h>
#include <ucontext.h>

#include <algorithm>

#include "absl/base/config.h"
#include "absl/debugging/failure_signal_handler.h"
#include "absl/debugging/stacktrace.h"
#include "absl/debugging/symbolize.h"

namespace holdfast {
namespace {

// Of stderr the front keeps the last 4 KiB, and clients see 1 KiB: with more frames, that would be
// the outermost ones, and not what the compiler said before it gave up.
constexpr int kMaxFrames = 8;
// Of the handler and what it calls, above the frame that the signal interrupted.
constexpr int kMaxHandlerFrames = 16;

// Only the handler asks for this. Abseil follows frame pointers, and compilers are built without:
// this reads the unwind tables.
// `context`, if not null, is that of the interrupted code, with whose frame the trace begins.
[[maybe_unused]] int Unwind(void** frames, int* sizes, int max_frames, int skipped,
                            const void* context, int* dropped_frames) {
  // Without memory Abseil cannot symbolise, and aborts: the handler would call itself for ever.
  for (const int failure : {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV}) signal(failure, SIG_DFL);
  void* stack[kMaxHandlerFrames + kMaxFrames];
  const int depth = backtrace(stack, kMaxHandlerFrames + kMaxFrames);
  void** first = stack + std::min(depth, skipped);
  void** const last = stack + depth;
  if (context != nullptr) {
    const auto* interrupted = static_cast<const ucontext_t*>(context);
    void** const found =
        std::find(first, last, reinterpret_cast<void*>(interrupted->uc_mcontext.gregs[REG_RIP]));
    if (found != last) first = found;
  }
  const int count = std::min({static_cast<int>(last - first), max_frames, kMaxFrames});
  std::copy_n(first, count, frames);
  if (sizes != nullptr) std::fill_n(sizes, count, 0);  // Not known.
  if (dropped_frames != nullptr) *dropped_frames = 0;
  return count;
}

}  // namespace

void InstallFailureHandler(const char* argv0) {
#if !defined(ABSL_HAVE_ADDRESS_SANITIZER) && !defined(ABSL_HAVE_THREAD_SANITIZER)
  void* frame;
  backtrace(&frame, 1);  // Loads what it needs, which a handler must not.
  absl::InitializeSymbolizer(argv0);
  absl::SetStackUnwinder(Unwind);
  absl::FailureSignalHandlerOptions options;
  options.symbolize_stacktrace = true;  // 0.5 ms a frame in a binary of 50 MB.
  options.use_alternate_stack = true;
  absl::InstallFailureSignalHandler(options);
  signal(SIGTERM, SIG_DFL);  // No failure.
#endif
}

}  // namespace holdfast
