// Tells ThreadSanitizer what Debian's Abseil and gRPC synchronise, which were compiled without it.
// Without this, whatever an absl::Mutex guards or a completion queue hands over would be reported.
//
// Linked into each program of --config=tsan, and nowhere else. The linker's --wrap (see
// BUILD.bazel) turns calls of a function into calls of __wrap_ and its mangled name; __real_ is the
// original. It leaves alone the calls within one of Abseil's own source files: hence also those
// that wait.

#include <grpc/grpc.h>
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace {

using absl::Condition;
using absl::CondVar;
using absl::Duration;
using absl::Mutex;
using absl::ReleasableMutexLock;
using absl::Time;

// What `lock` does inside, such as to evaluate a condition, is not checked: a mutex is held there.
template <typename Lock>
auto Locking(Mutex* mutex, unsigned flags, Lock lock) {
  struct Scope {
    Scope(Mutex* mutex, unsigned flags) : mutex(mutex), flags(flags) {
      __tsan_mutex_pre_lock(mutex, flags);
    }
    ~Scope() { __tsan_mutex_post_lock(mutex, flags, /*recursion=*/0); }
    Mutex* const mutex;
    const unsigned flags;
  };
  const Scope scope(mutex, flags);
  return lock();
}

template <typename Unlock>
void Unlocking(Mutex* mutex, unsigned flags, Unlock unlock) {
  __tsan_mutex_pre_unlock(mutex, flags);
  unlock();
  __tsan_mutex_post_unlock(mutex, flags);
}

// `wait` unlocks the mutex, which the thread holds, but not as a reader, and locks it again.
template <typename Wait>
auto Waiting(Mutex* mutex, Wait wait) {
  Unlocking(mutex, 0, [] {});
  return Locking(mutex, 0, wait);
}

// Begins the definition of what is called instead of the function with this mangled name, which
// becomes Real`name`.
#define WRAP(mangled, result, name, ...)                   \
  result Real##name(__VA_ARGS__) asm("__real_" mangled);   \
  result Around##name(__VA_ARGS__) asm("__wrap_" mangled); \
  result Around##name(__VA_ARGS__)

#define ABSEIL "_ZN4absl7debian3"

}  // namespace

// Mutex. Its constructor is inline and tells by itself.

WRAP(ABSEIL "5MutexD1Ev", void, Destroy, Mutex* mutex) {
  __tsan_mutex_destroy(mutex, __tsan_mutex_not_static);
  RealDestroy(mutex);
}

WRAP(ABSEIL "5Mutex4LockEv", void, Lock, Mutex* mutex) {
  Locking(mutex, 0, [=] { RealLock(mutex); });
}

WRAP(ABSEIL "5Mutex6UnlockEv", void, Unlock, Mutex* mutex) {
  Unlocking(mutex, 0, [=] { RealUnlock(mutex); });
}

WRAP(ABSEIL "5Mutex7TryLockEv", bool, TryLock, Mutex* mutex) {
  __tsan_mutex_pre_lock(mutex, __tsan_mutex_try_lock);
  const bool locked = RealTryLock(mutex);
  const unsigned failed = locked ? 0 : __tsan_mutex_try_lock_failed;
  __tsan_mutex_post_lock(mutex, __tsan_mutex_try_lock | failed, /*recursion=*/0);
  return locked;
}

WRAP(ABSEIL "5Mutex10ReaderLockEv", void, ReaderLock, Mutex* mutex) {
  Locking(mutex, __tsan_mutex_read_lock, [=] { RealReaderLock(mutex); });
}

WRAP(ABSEIL "5Mutex12ReaderUnlockEv", void, ReaderUnlock, Mutex* mutex) {
  Unlocking(mutex, __tsan_mutex_read_lock, [=] { RealReaderUnlock(mutex); });
}

WRAP(ABSEIL "5Mutex8LockWhenERKNS0_9ConditionE", void, LockWhen, Mutex* mutex,
     const Condition* when) {
  Locking(mutex, 0, [=] { RealLockWhen(mutex, when); });
}

WRAP(ABSEIL "5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE", bool,
     LockWhenWithTimeout, Mutex* mutex, const Condition* when, Duration timeout) {
  return Locking(mutex, 0, [=] { return RealLockWhenWithTimeout(mutex, when, timeout); });
}

WRAP(ABSEIL "5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE", bool, LockWhenWithDeadline,
     Mutex* mutex, const Condition* when, Time deadline) {
  return Locking(mutex, 0, [=] { return RealLockWhenWithDeadline(mutex, when, deadline); });
}

WRAP(ABSEIL "5Mutex5AwaitERKNS0_9ConditionE", void, Await, Mutex* mutex, const Condition* when) {
  Waiting(mutex, [=] { RealAwait(mutex, when); });
}

WRAP(ABSEIL "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE", bool, AwaitWithTimeout,
     Mutex* mutex, const Condition* when, Duration timeout) {
  return Waiting(mutex, [=] { return RealAwaitWithTimeout(mutex, when, timeout); });
}

WRAP(ABSEIL "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE", bool, AwaitWithDeadline,
     Mutex* mutex, const Condition* when, Time deadline) {
  return Waiting(mutex, [=] { return RealAwaitWithDeadline(mutex, when, deadline); });
}

// Its only member is a pointer to the mutex.
WRAP(ABSEIL "19ReleasableMutexLock7ReleaseEv", void, Release, ReleasableMutexLock* lock) {
  static_assert(sizeof(*lock) == sizeof(Mutex*), "ReleasableMutexLock has changed");
  Unlocking(*reinterpret_cast<Mutex**>(lock), 0, [=] { RealRelease(lock); });
}

// CondVar.

WRAP(ABSEIL "7CondVar4WaitEPNS0_5MutexE", void, Wait, CondVar* changed, Mutex* mutex) {
  Waiting(mutex, [=] { RealWait(changed, mutex); });
}

WRAP(ABSEIL "7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE", bool, WaitWithTimeout,
     CondVar* changed, Mutex* mutex, Duration timeout) {
  return Waiting(mutex, [=] { return RealWaitWithTimeout(changed, mutex, timeout); });
}

WRAP(ABSEIL "7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", bool, WaitWithDeadline,
     CondVar* changed, Mutex* mutex, Time deadline) {
  return Waiting(mutex, [=] { return RealWaitWithDeadline(changed, mutex, deadline); });
}

// gRPC's completion queues: what happened before an operation was started happened before its tag
// is handed out.

WRAP("_Z16grpc_cq_begin_opP21grpc_completion_queuePv", bool, BeginOperation,
     grpc_completion_queue* queue, void* tag) {
  __tsan_release(tag);
  return RealBeginOperation(queue, tag);
}

WRAP("grpc_completion_queue_next", grpc_event, Next, grpc_completion_queue* queue,
     gpr_timespec deadline, void* reserved) {
  const grpc_event event = RealNext(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}
