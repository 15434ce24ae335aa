// A worker of which only the numbers of the actions and parameters count that it has applied.
#ifndef HOLDFAST_TESTS_FUZZ_MODEL_WORKER_H_
#define HOLDFAST_TESTS_FUZZ_MODEL_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "common/worker_answer.h"
#include "frontend/fake_worker_client.h"
#include "tests/fuzz/fuzzing.h"

namespace holdfast {

// The key of the parameter N is this and N; an action is its number.
inline constexpr char kParameterPrefix[] = "parameter-";

// Those of a step's actions, or of a parameter; or all that a session has applied, in order.
using Numbers = std::vector<int64_t>;

Numbers NumbersOf(const FakeWorkerClient::PendingCall& call);
void Append(const Numbers& more, Numbers* all);
// An answer as it comes with the trailers, if `mark` is one; it must be read as it was written.
absl::optional<WorkerAnswer> ReadMark(absl::string_view mark);

class ModelWorker {
 public:
  // Requires that a worker in this state may be asked so.
  void Asked(const FakeWorkerClient::PendingCall& call);

  // What a worker would say that does all it is asked, apart from Describe; the input chooses among
  // what is as good. `applied`: so many of a step's actions.
  std::string GoodReply(const FakeWorkerClient::PendingCall& call, FuzzedDataProvider* input) const;
  WorkerAnswer GoodAnswer(const FakeWorkerClient::PendingCall& call, int64_t applied,
                          FuzzedDataProvider* input) const;

  // Does what `reply` says of the call, whether it is true or not: of a step or a parameter it
  // applies `numbers`. Makes snapshots and fingerprints tell its state: a snapshot holds the
  // numbers; what is not the state's fingerprint is none that another state has. `is_wrong`: a
  // snapshot with a fingerprint is restored as another state than it was taken of.
  void Answered(const FakeWorkerClient::PendingCall& call, const Numbers& numbers, bool is_wrong,
                WorkerReply* reply);

  const Numbers& applied() const { return applied_; }
  size_t calls_seen() const { return calls_seen_; }
  size_t calls_answered() const { return calls_answered_; }

 private:
  void TakeSnapshot(WorkerReply* reply) const;
  void Restore(const grpc::ByteBuffer& request, bool is_wrong);
  void TakeFingerprint(WorkerReply* reply) const;

  size_t calls_seen_ = 0;
  size_t calls_answered_ = 0;
  int starts_ = 0;
  int restores_ = 0;
  bool has_session_ = false;
  bool is_wrong_ = false;   // Its session is not what was to be restored, as its fingerprint shows.
  int64_t session_id_ = 0;  // As it said itself.
  Numbers applied_;
};

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_FUZZ_MODEL_WORKER_H_
