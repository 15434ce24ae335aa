// A client that steps sessions at random, and keeps account of what the service has acknowledged.
#ifndef HOLDFAST_TESTS_CHAOS_CLIENT_H_
#define HOLDFAST_TESTS_CHAOS_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/chaos/session_type.h"
#include "tests/chaos/tally.h"

namespace holdfast::chaos {

// One call that the service acknowledged.
struct Entry {
  std::vector<int64_t> actions;
  std::vector<int> observations;
  std::string parameter;  // "KEY=VALUE": the call was SendSessionParameter.
  // The step failed within the session: some number of its actions, from the first on, stay
  // applied. `reply` is that of the look at the session's state that followed.
  bool is_partial = false;
  size_t reply = 0;  // Digest of what the session answered.
};

// All that was acknowledged of one session.
struct SessionRecord {
  int64_t id = 0;
  const Offer* offer = nullptr;
  int program = 0;
  int action_count = 0;  // Actions that there are now.
  std::vector<Entry> entries;
  bool has_final_state = false;
  size_t final_state = 0;
};

size_t Digest(const google::protobuf::Message& message);

// Runs on one thread. Everything that it chooses comes from the seed and the answers.
class Client {
 public:
  Client(const ServiceProcess& service, const Offer& offer, uint64_t seed);

  // Steps sessions until `over`. Sessions that it ends on the way are looked at before.
  void Run(const absl::Notification& over);
  // Looks at the sessions that are left, and ends them.
  void Finish();

  const std::vector<SessionRecord>& records() const { return records_; }
  const Tally& tally() const { return tally_; }

 private:
  enum class Outcome { kApplied, kRolledBack, kPartial, kLost, kFault };

  Outcome Judge(const std::string& method, const grpc::Status& status);
  bool StartSession();
  void ForkSession(const SessionRecord& parent);
  // These return false if the session is lost.
  bool Step(SessionRecord* session);
  bool SendParameter(SessionRecord* session);
  // Looks until it gets an answer.
  bool Look(SessionRecord* session, const std::vector<int>& observations, size_t* digest);
  void End(SessionRecord session);
  Outcome CallStep(const SessionRecord& session, const std::vector<int64_t>& actions,
                   const std::vector<int>& observations, compiler_gym::StepReply* reply);
  bool OneIn(uint64_t n) { return random_() % n == 0; }
  void Think();

  const Offer& offer_;
  const std::unique_ptr<compiler_gym::CompilerGymService::Stub> stub_;
  std::mt19937_64 random_;
  std::vector<SessionRecord> live_;
  std::vector<SessionRecord> records_;
  Tally tally_;
};

}  // namespace holdfast::chaos

#endif  // HOLDFAST_TESTS_CHAOS_CLIENT_H_
