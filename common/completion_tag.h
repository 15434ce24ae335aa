// What a gRPC completion queue hands back.
#ifndef HOLDFAST_COMMON_COMPLETION_TAG_H_
#define HOLDFAST_COMMON_COMPLETION_TAG_H_

#include <grpcpp/completion_queue.h>

namespace holdfast {

// Every tag in our queues is one of these. Pass it as `static_cast<CompletionTag*>(this)`: the
// queue keeps a void*.
class CompletionTag {
 public:
  // Called once for each operation that was started with this tag, on the queue's thread. `ok` has
  // the meaning that gRPC documents for that operation.
  virtual void Proceed(bool ok) = 0;

 protected:
  ~CompletionTag() = default;
};

// Serves `queue` on the calling thread until it is shut down and empty.
inline void ServeQueue(grpc::CompletionQueue* queue) {
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) static_cast<CompletionTag*>(tag)->Proceed(ok);
}

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_COMPLETION_TAG_H_
