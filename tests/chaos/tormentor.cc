#include "tests/chaos/tormentor.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"

namespace holdfast::chaos {
namespace {

bool Send(int pidfd, int signal) {
  return syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
}

// Leaves the worker the memory that it has, and up to a MiB more: what it allocates next fails.
bool TakeMemory(int /*pidfd*/, pid_t pid, uint64_t random) {
  uint64_t pages = 0;
  std::ifstream(absl::StrCat("/proc/", pid, "/statm")) >> pages;
  if (pages == 0) return false;
  const rlim_t limit = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) + random % (1 << 20);
  rlimit memory{limit, limit};
  return prlimit(pid, RLIMIT_AS, &memory, nullptr) == 0;
}

constexpr Torment kTorments[] = {
    {"kill", 8, false, [](int fd, pid_t, uint64_t) { return Send(fd, SIGKILL); }},
    {"segv", 6, false, [](int fd, pid_t, uint64_t) { return Send(fd, SIGSEGV); }},
    // Nobody sends SIGCONT: a hang, which costs its session the whole --step_timeout.
    {"stop", 2, false, [](int fd, pid_t, uint64_t) { return Send(fd, SIGSTOP); }},
    {"memory", 4, false, TakeMemory},
    // All workers die with it.
    {"spawner", 1, true, [](int fd, pid_t, uint64_t) { return Send(fd, SIGKILL); }},
};

}  // namespace

absl::StatusOr<std::vector<Torment>> TormentsByName(const std::vector<std::string>& names) {
  std::vector<Torment> torments;
  for (const std::string& name : names) {
    const auto* const found =
        std::find_if(std::begin(kTorments), std::end(kTorments),
                     [&](const Torment& torment) { return torment.name == name; });
    if (found == std::end(kTorments)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--torment is ", name, ", must be some of ",
                       absl::StrJoin(kTorments, ", ", [](std::string* out, const Torment& torment) {
                         absl::StrAppend(out, torment.name);
                       })));
    }
    torments.push_back(*found);
  }
  return torments;
}

Tormentor::Tormentor(std::vector<const ServiceProcess*> services, std::vector<Torment> torments,
                     double per_second, uint64_t seed)
    : services_(std::move(services)),
      torments_(std::move(torments)),
      per_second_(per_second),
      random_(seed) {
  for (const Torment& torment : torments_) delivered_[torment.name] = 0;
}

void Tormentor::Run(const absl::Notification& over) {
  if (torments_.empty()) return;
  // Exponential intervals: the next comes as likely now as at any moment.
  std::exponential_distribution<double> interval(per_second_);
  while (!over.WaitForNotificationWithTimeout(absl::Seconds(interval(random_)))) Inflict();
}

void Tormentor::Inflict() {
  std::vector<int> weights;
  for (const Torment& torment : torments_) weights.push_back(torment.weight);
  const Torment& torment =
      torments_[std::discrete_distribution<size_t>(weights.begin(), weights.end())(random_)];
  const ServiceProcess& service = *services_[random_() % services_.size()];
  const uint64_t which = random_();
  const uint64_t random = random_();
  const pid_t spawner = service.spawner();
  if (spawner == 0) return;
  std::vector<pid_t> victims =
      torment.hits_spawner ? std::vector<pid_t>{spawner} : ChildrenOf(spawner);
  if (victims.empty()) return;
  std::sort(victims.begin(), victims.end());
  const pid_t victim = victims[which % victims.size()];
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, victim, 0));
  if (pidfd < 0) return;
  // It may have ended meanwhile, and its id be another's. The descriptor stays with one process.
  const std::vector<pid_t> now = ChildrenOf(torment.hits_spawner ? service.pid() : spawner);
  if (std::find(now.begin(), now.end(), victim) != now.end() &&
      torment.inflict(pidfd, victim, random)) {
    ++delivered_[torment.name];
  }
  close(pidfd);
}

void KillAllWorkers(const ServiceProcess& service) {
  for (const pid_t worker : service.workers()) kill(worker, SIGKILL);
}

}  // namespace holdfast::chaos
