#include "tests/integration/misbehaving_service.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

constexpr char kWorker[] = "tests/testcases/misbehaving_worker";

// All services of this process run the same binary: its spaces are asked for once.
const compiler_gym::GetSpacesReply& Spaces(TestSession* session) {
  static const auto* const kSpaces = [&] {
    auto* spaces = new compiler_gym::GetSpacesReply;
    grpc::ClientContext context;
    const grpc::Status status = session->stub().GetSpaces(&context, {}, spaces);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return spaces;
  }();
  return *kSpaces;
}

std::vector<std::string> WithOneWarmWorker(const std::vector<std::string>& flags) {
  std::vector<std::string> all = {"--warm_workers=1"};
  all.insert(all.end(), flags.begin(), flags.end());
  return all;
}

}  // namespace

int Marker::waiting() const {
  std::error_code error;
  const auto size = std::filesystem::file_size(path_ + ".waiting", error);
  return error ? 0 : static_cast<int>(size);
}

bool Marker::AwaitWaiting(int count) const {
  return WaitUntil([&] { return waiting() >= count; });
}

void Marker::Go() const { WriteText(path_ + ".go", ""); }

MisbehavingService::MisbehavingService(const std::vector<std::string>& flags)
    : ServiceProcess(kWorker, WithOneWarmWorker(flags)) {}

TestSession MisbehavingService::NewSession(const std::string& program) {
  return TestSession(*this, absl::StrCat("benchmark://test/", program), program);
}

grpc::Status MisbehavingService::TryStart(const std::string& program, int64_t* id,
                                          absl::Duration deadline) {
  const auto client = NewClient();
  const std::string uri = absl::StrCat("benchmark://test/", program);
  grpc::Status added = AddBenchmark(client.get(), uri, program);
  if (!added.ok()) return added;
  int64_t ignored = 0;
  return StartSession(client.get(), uri, 0, id == nullptr ? &ignored : id, deadline);
}

Marker MisbehavingService::NewMarker() {
  return Marker(absl::StrCat(directory(), "/marker-", ++markers_));
}

int MisbehavingService::CountSessions() { return TestSession(*this, /*id=*/1).End(); }

int64_t ActionIndex(TestSession* session, const std::string& name) {
  const auto& names = Spaces(session).action_space_list(0).space().named_discrete().name();
  const auto found = std::find(names.begin(), names.end(), name);
  EXPECT_NE(found, names.end()) << name;
  return found - names.begin();
}

int ObservationIndex(TestSession* session, const std::string& name) {
  const auto& spaces = Spaces(session).observation_space_list();
  const auto found = std::find_if(spaces.begin(), spaces.end(),
                                  [&](const auto& space) { return space.name() == name; });
  EXPECT_NE(found, spaces.end()) << name;
  return static_cast<int>(found - spaces.begin());
}

grpc::Status StepBy(TestSession* session, const Names& actions, const Names& observations,
                    compiler_gym::StepReply* reply, absl::Duration deadline) {
  std::vector<int64_t> action_indices;
  for (const auto& name : actions) action_indices.push_back(ActionIndex(session, name));
  std::vector<int> observation_indices;
  for (const auto& name : observations) {
    observation_indices.push_back(ObservationIndex(session, name));
  }
  return session->Step(action_indices, observation_indices, reply, deadline);
}

std::future<grpc::Status> StepLater(TestSession* session, const Names& actions,
                                    absl::Duration deadline) {
  return std::async(std::launch::async, [session, actions, deadline] {
    return StepBy(session, actions, {}, nullptr, deadline);
  });
}

pid_t WorkerOf(TestSession* session) {
  std::string reply;
  const grpc::Status status = session->SendParameter("get_pid", "", &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  pid_t pid = 0;
  EXPECT_TRUE(absl::SimpleAtoi(reply, &pid));
  return pid;
}

void KillWorkerOf(TestSession* session) {
  const pid_t pid = WorkerOf(session);
  if (pid <= 1) return;
  const auto failures = [session] {
    return session->service().Metric("holdfast_worker_failures_total{cause=\"signal\"}");
  };
  const auto before = failures();
  kill(pid, SIGKILL);
  // The front knows it: the next call is not tried on a worker that is dead.
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(pid) && failures() > before; }));
}

std::string StateOf(TestSession* session) {
  compiler_gym::StepReply reply;
  const grpc::Status status = StepBy(session, {}, {"actions", "counter"}, &reply);
  if (!status.ok()) return absl::StrCat("no state: ", status.error_message());
  return absl::StrCat(reply.observation(0).string_value(), " = ",
                      reply.observation(1).int64_value());
}

void ExpectState(TestSession* session, const std::string& state) {
  EXPECT_EQ(StateOf(session), state);
  KillWorkerOf(session);
  EXPECT_EQ(StateOf(session), state) << "after the history was applied again";
}

size_t EncodedSize(const grpc::Status& status) {
  size_t size = (status.error_details().size() * 4 + 2) / 3;
  for (const char c : status.error_message()) {
    size += absl::ascii_isprint(static_cast<unsigned char>(c)) && c != '%' ? 1 : 3;
  }
  return size;
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  EXPECT_TRUE(file.flush()) << path;
}

}  // namespace holdfast
