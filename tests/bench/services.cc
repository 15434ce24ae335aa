#include "tests/bench/services.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <numeric>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/unique_fd.h"
#include "frontend/process_stat.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

constexpr char kWorker[] = "worker/example/example_worker";

// To the nanosecond; zero if there is no such process.
absl::Duration CpuTimeOf(pid_t pid) {
  clockid_t clock = 0;
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return {};
  return absl::DurationFromTimespec(time);
}

absl::Duration CpuTimeOf(const std::vector<pid_t>& pids) {
  return std::accumulate(pids.begin(), pids.end(), absl::ZeroDuration(),
                         [](absl::Duration sum, pid_t pid) { return sum + CpuTimeOf(pid); });
}

// Of a process with one thread: its children, with those that have ended until it has waited for
// them.
std::vector<pid_t> ChildrenToWaitFor(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/task/", pid, "/children"));
  return {std::istream_iterator<pid_t>(file), {}};
}

class Holdfast final : public Service {
 public:
  explicit Holdfast(const std::vector<std::string>& flags) : program_(Command(flags)) {
    address_ = program_.address();
    for (const pid_t child : ChildrenOf(program_.pid())) spawner_ = child;  // There is no other.
  }
  // It removes its directory.
  ~Holdfast() override {
    program_.Signal(SIGTERM);
    program_.Wait();
  }
  Holdfast(const Holdfast&) = delete;
  Holdfast& operator=(const Holdfast&) = delete;

  const std::string& address() const { return address_; }

  // What workers used that are gone is known to 10 ms only, from their parent.
  CpuTime cpu_time() const override {
    const auto stat = ReadProcessStat(spawner_).value_or(ProcessStat());
    return {CpuTimeOf({program_.pid(), spawner_}),
            CpuTimeOf(ChildrenToWaitFor(spawner_)) +
                absl::Seconds(stat.cpu_seconds - stat.own_cpu_seconds)};
  }

 private:
  static std::vector<std::string> Command(const std::vector<std::string>& flags) {
    std::vector<std::string> command = {RunfilePath(kWorker)};
    command.insert(command.end(), flags.begin(), flags.end());
    return command;
  }

  AnnouncedService program_;
  std::string address_;
  pid_t spawner_ = 0;
};

// Processes that do all the work by themselves.
class Processes final : public Service {
 public:
  const AnnouncedService& Start(std::vector<std::string> command) {
    processes_.push_back(std::make_unique<AnnouncedService>(std::move(command)));
    pids_.push_back(processes_.back()->pid());
    return *processes_.back();
  }
  // For whatever they leave behind.
  const std::string& scratch() const { return scratch_.path(); }
  CpuTime cpu_time() const override { return {absl::ZeroDuration(), CpuTimeOf(pids_)}; }

 private:
  const TemporaryDirectory scratch_;
  std::vector<std::unique_ptr<AnnouncedService>> processes_;
  std::vector<pid_t> pids_;
};

// Each client has an equal share of the sessions, and `stubs_of` makes its connections.
Way MakeWay(const char* name, std::unique_ptr<Service> service, const Operation& operation,
            const Load& load, const std::function<Stubs(int count)>& stubs_of) {
  Way way = {name, std::move(service), {}};
  for (int i = 0; i < load.clients; ++i) {
    way.clients.push_back(operation.new_client(stubs_of(load.sessions / load.clients)));
  }
  return way;
}

// All sessions of a client share its connection.
auto OneConnection(const std::string& address) {
  return [address](int count) { return Stubs(count, ConnectTo(address)); };
}

class PingPongClient final : public Client {
 public:
  PingPongClient(UniqueFd socket, std::vector<Exchange> exchanges)
      : socket_(std::move(socket)), exchanges_(std::move(exchanges)) {
    size_t largest = 0;
    for (const Exchange& exchange : exchanges_) {
      largest = std::max({largest, exchange.request_bytes, exchange.reply_bytes});
    }
    buffer_.resize(largest);
  }

  grpc::Status Call() override {
    for (const Exchange& exchange : exchanges_) {
      const auto request = static_cast<ssize_t>(exchange.request_bytes);
      const auto reply = static_cast<ssize_t>(exchange.reply_bytes);
      if (send(socket_.get(), buffer_.data(), request, MSG_NOSIGNAL) != request ||
          recv(socket_.get(), buffer_.data(), reply, MSG_WAITALL) != reply) {
        return {grpc::StatusCode::INTERNAL, "the ping-pong peer is gone"};
      }
    }
    return grpc::Status::OK;
  }

  std::vector<Exchange> exchanges() const override { return exchanges_; }

 private:
  const UniqueFd socket_;
  const std::vector<Exchange> exchanges_;
  std::string buffer_;
};

}  // namespace

Way StartHoldfast(const Operation& operation, const Load& load) {
  std::vector<std::string> flags = {absl::StrCat("--max_workers=", 2 * load.sessions + 8)};
  // Otherwise no worker is started between rounds, for those of the round before are there.
  flags.push_back(operation.fresh_workers ? absl::StrCat("--warm_workers=", load.sessions + 1)
                                          : "--worker_reuse=1000000");
  auto holdfast = std::make_unique<Holdfast>(flags);
  const auto stubs_of = OneConnection(holdfast->address());
  return MakeWay("holdfast", std::move(holdfast), operation, load, stubs_of);
}

Way StartDirectWorkers(const Operation& operation, const Load& load) {
  auto workers = std::make_unique<Processes>();
  Processes* const all = workers.get();
  return MakeWay("direct", std::move(workers), operation, load, [all](int count) {
    Stubs stubs;
    for (int i = 0; i < count; ++i) {
      const RunningProgram& worker =
          all->Start({RunfilePath(kWorker), "--holdfast_role=worker", "--worker_listen=127.0.0.1:0",
                      absl::StrCat("--worker_scratch_directory=", all->scratch())});
      std::string said;  // "Serving one session on port 12345"
      WaitUntil([&] { return absl::EndsWith(said = worker.out(), "\n"); });
      const std::string port = said.substr(said.rfind(' ') + 1);
      stubs.push_back(ConnectTo(absl::StrCat("127.0.0.1:", absl::StripAsciiWhitespace(port))));
    }
    return stubs;
  });
}

Way StartInProcessService(const Operation& operation, const Load& load) {
  auto service = std::make_unique<Processes>();
  const auto stubs_of =
      OneConnection(service->Start({RunfilePath("tests/bench/in_process_service")}).address());
  return MakeWay("in_process", std::move(service), operation, load, stubs_of);
}

Way StartPingPong(const std::vector<Exchange>& exchanges, const Load& load) {
  auto peers = std::make_unique<Processes>();
  Way way = {"ping_pong", nullptr, {}};
  for (int i = 0; i < load.clients; ++i) {
    int sockets[2] = {-1, -1};
    socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
    UniqueFd own(sockets[0]);
    const UniqueFd of_peer(sockets[1]);
    fcntl(own.get(), F_SETFD, FD_CLOEXEC);
    std::vector<std::string> command = {RunfilePath("tests/bench/ping_pong_peer"),
                                        absl::StrCat(of_peer.get())};
    for (const Exchange& exchange : exchanges) {
      command.push_back(absl::StrCat(exchange.request_bytes));
      command.push_back(absl::StrCat(exchange.reply_bytes));
    }
    peers->Start(std::move(command));
    way.clients.push_back(std::make_unique<PingPongClient>(std::move(own), exchanges));
  }
  way.service = std::move(peers);
  return way;
}

}  // namespace holdfast
