#include "frontend/crash_reports/crash_reporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "frontend/crash_reports/crash_report.h"
#include "tests/frontend/crash_reports/crash_fixture.h"

namespace {

std::atomic<size_t> allocated_bytes{0};

}  // namespace

// Of the whole program, to count what it allocates. Inlined, a pair of these would look mismatched.
[[gnu::noinline]] void* operator new(size_t size) {
  allocated_bytes += size;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t /*size*/) noexcept {
  std::free(memory);
}

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// None that others send.
constexpr int kFirstSignal = 32;

// A failure of its own for each `signal`.
CrashEvent Event(int signal, size_t program_size = 100) {
  CrashEvent event = TestEvent(std::string(program_size, 'p'));
  event.failure.set_signal(kFirstSignal + signal);
  return event;
}

std::string IdOf(const CrashEvent& event) { return CrashId(SignatureOf(event, TestDescription())); }
std::string IdOf(int signal) { return IdOf(Event(signal)); }

int ModeOf(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 0777;
}

class CrashReporterTest : public testing::Test {
 protected:
  CrashReporterTest() {
    description_.Set(TestDescription());
    options_.directory = root_.path() + "/made/crashes";
    options_.worker = "/bin/worker";
    options_.worker_flags = {"--a=b"};
  }

  // As in another run of the service.
  absl::Status Restart() {
    reporter_.reset();
    reporter_ = std::make_unique<CrashReporter>(
        options_, &description_,
        [this](absl::AnyInvocable<void()> work) { work_.push_back(std::move(work)); });
    return reporter_->Start();
  }
  // Reports and lets the blocking work run.
  void Report(CrashEvent event) {
    reporter_->Report(std::move(event));
    RunWork();
  }
  void RunWork() {
    while (!work_.empty()) {
      absl::AnyInvocable<void()> work = std::move(work_.front());
      work_.pop_front();
      work();
    }
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  std::string PathOf(int signal) const {
    return absl::StrCat(options_.directory, "/", IdOf(signal), ".crash");
  }
  CrashReporter::Stats Stats() const { return reporter_->GetStats(); }

  const TemporaryDirectory root_;
  WorkerDescription description_;
  CrashReporter::Options options_;
  std::deque<absl::AnyInvocable<void()>> work_;
  std::unique_ptr<CrashReporter> reporter_;
};

TEST_F(CrashReporterTest, WritesAPrivateFileThatHoldsTheFailure) {
  ASSERT_TRUE(Restart().ok());
  const int64_t before = absl::ToUnixMicros(absl::Now());
  Report(Event(11));
  EXPECT_THAT(Files(), UnorderedElementsAre(IdOf(11) + ".crash"));
  EXPECT_EQ(ModeOf(options_.directory), 0700);
  EXPECT_EQ(ModeOf(PathOf(11)), 0600);
  const auto report = ReadCrashReport(PathOf(11));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->id(), IdOf(11));
  EXPECT_EQ(report->worker(), "/bin/worker");
  EXPECT_THAT(report->worker_flags(), testing::ElementsAre("--a=b"));
  EXPECT_GE(report->time_micros(), before);
  EXPECT_LE(report->time_micros(), absl::ToUnixMicros(absl::Now()));
  EXPECT_EQ(Stats().written, 1);
  EXPECT_EQ(Stats().reports, 1);
  EXPECT_EQ(Stats().bytes, static_cast<int64_t>(std::filesystem::file_size(PathOf(11))));
}

TEST_F(CrashReporterTest, DoesNothingBeforeItIsLetBlock) {
  ASSERT_TRUE(Restart().ok());
  reporter_->Report(Event(11));
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_EQ(work_.size(), 1u);
  reporter_->Report(Event(6));
  EXPECT_EQ(work_.size(), 1u) << "one thread at a time";
  reporter_.reset();  // The work outlives it.
  RunWork();
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(CrashReporterTest, DuplicatesAreCountedAlsoOverRuns) {
  ASSERT_TRUE(Restart().ok());
  Report(Event(11));
  const auto written = std::filesystem::last_write_time(PathOf(11));
  Report(Event(11));
  EXPECT_EQ(Stats().duplicates, 1);
  EXPECT_EQ(Stats().written, 1);
  EXPECT_GT(std::filesystem::last_write_time(PathOf(11)), written);
  const int64_t bytes = Stats().bytes;
  ASSERT_TRUE(Restart().ok());
  EXPECT_EQ(Stats().reports, 1);
  EXPECT_EQ(Stats().bytes, bytes);
  Report(Event(11));
  Report(Event(6));
  EXPECT_EQ(Stats().duplicates, 1);
  EXPECT_EQ(Stats().written, 1);
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(CrashReporterTest, ARemovedReportIsWrittenAgain) {
  ASSERT_TRUE(Restart().ok());
  Report(Event(11));
  ASSERT_EQ(unlink(PathOf(11).c_str()), 0);
  Report(Event(11));
  EXPECT_EQ(Stats().written, 2);
  EXPECT_EQ(Stats().reports, 1);
  EXPECT_TRUE(ReadCrashReport(PathOf(11)).ok());
}

TEST_F(CrashReporterTest, WhatWasNotSeenForLongestGoes) {
  options_.max_reports = 3;
  ASSERT_TRUE(Restart().ok());
  for (const int signal : {1, 2, 3, 1}) Report(Event(signal));
  Report(Event(4));
  EXPECT_THAT(Files(),
              UnorderedElementsAre(IdOf(1) + ".crash", IdOf(3) + ".crash", IdOf(4) + ".crash"));
  ASSERT_TRUE(Restart().ok());  // The order is in the files.
  Report(Event(3));
  Report(Event(5));
  EXPECT_THAT(Files(),
              UnorderedElementsAre(IdOf(3) + ".crash", IdOf(4) + ".crash", IdOf(5) + ".crash"));
  options_.max_reports = 1;
  ASSERT_TRUE(Restart().ok());
  EXPECT_THAT(Files(), UnorderedElementsAre(IdOf(5) + ".crash"));
  EXPECT_EQ(Stats().reports, 1);
}

TEST_F(CrashReporterTest, BytesAreBounded) {
  options_.max_bytes = 10'000;
  ASSERT_TRUE(Restart().ok());
  for (const int signal : {1, 2, 3, 4, 5, 6}) {
    Report(Event(signal, 3000));
    EXPECT_LE(Stats().bytes, options_.max_bytes);
  }
  EXPECT_THAT(Files(),
              UnorderedElementsAre(IdOf(4) + ".crash", IdOf(5) + ".crash", IdOf(6) + ".crash"));
  for (const size_t size : {9990, 20'000}) {  // With, and without all that is around the program.
    Report(Event(7, size));
  }
  EXPECT_EQ(Stats().failed, 2);
  EXPECT_EQ(Stats().reports, 3) << "what does not fit makes no other go";
}

TEST_F(CrashReporterTest, OnlyTheCompilersFailuresCount) {
  ASSERT_TRUE(Restart().ok());
  for (const auto cause :
       {WorkerFailure::PREEMPTED, WorkerFailure::SHUTDOWN, WorkerFailure::SPAWNER_LOST,
        WorkerFailure::SPAWN, WorkerFailure::START_TIMEOUT, WorkerFailure::UNKNOWN,
        WorkerFailure::TIME_LIMIT}) {
    CrashEvent event = TestEvent();
    event.failure.set_cause(cause);
    reporter_->Report(std::move(event));
    EXPECT_THAT(work_, IsEmpty()) << cause;
  }
  CrashEvent impatient = TestEvent();
  impatient.failure.set_cause(WorkerFailure::TIME_LIMIT);
  impatient.failure.set_limit_flag("--step_timeout");
  impatient.failure.set_activity(WorkerFailure::ACTION);
  Report(std::move(impatient));
  for (const auto cause :
       {WorkerFailure::EXIT, WorkerFailure::LINK, WorkerFailure::MEMORY_LIMIT,
        WorkerFailure::CPU_LIMIT, WorkerFailure::FILE_LIMIT, WorkerFailure::PROCESS_LIMIT}) {
    CrashEvent event = TestEvent();
    event.failure.set_cause(cause);
    Report(std::move(event));
  }
  EXPECT_EQ(Files().size(), 7u);
}

TEST_F(CrashReporterTest, WhatOthersKilledPushesNothingOut) {
  options_.max_reports = 1;
  ASSERT_TRUE(Restart().ok());
  Report(Event(11));
  for (const int signal : {SIGKILL, SIGTERM}) {
    CrashEvent event = Event(0);
    event.failure.set_signal(signal);
    Report(std::move(event));
  }
  EXPECT_THAT(Files(), UnorderedElementsAre(IdOf(11) + ".crash"));
  EXPECT_EQ(Stats().written, 1);
}

TEST_F(CrashReporterTest, AStormIsBoundedAndCounted) {
  ASSERT_TRUE(Restart().ok());
  for (int i = 0; i < 10'000; ++i) reporter_->Report(Event(11));
  EXPECT_EQ(work_.size(), 1u);
  RunWork();
  EXPECT_EQ(Stats().written, 1);
  EXPECT_GT(Stats().dropped, 9'000);
  EXPECT_EQ(Stats().written + Stats().duplicates + Stats().dropped, 10'000);
  // So are their bytes: 256 MiB.
  const int64_t dropped = Stats().dropped;
  const CrashEvent large = Event(6, size_t{100} << 20);
  for (int i = 0; i < 5; ++i) {
    CrashEvent event = Event(6);
    event.origin = large.origin;
    reporter_->Report(std::move(event));
  }
  EXPECT_EQ(Stats().dropped - dropped, 3);
  RunWork();
  Report(Event(4));
  EXPECT_EQ(Stats().written, 3);
}

TEST_F(CrashReporterTest, DuplicatesAreCheap) {
  constexpr size_t kProgramSize = size_t{64} << 20;
  constexpr int kDuplicates = 100;
  ASSERT_TRUE(Restart().ok());
  const CrashEvent large = Event(11, kProgramSize);
  const auto report = [&] {
    CrashEvent event = Event(11);
    event.origin = large.origin;
    Report(std::move(event));
  };
  report();
  EXPECT_EQ(Stats().written, 1);
  struct stat before = {};
  ASSERT_EQ(stat(PathOf(11).c_str(), &before), 0);
  const size_t allocated_before = allocated_bytes;
  for (int i = 0; i < kDuplicates; ++i) report();
  EXPECT_EQ(Stats().duplicates, kDuplicates);
  // The program is neither copied nor written again.
  EXPECT_LT((allocated_bytes - allocated_before) / kDuplicates, kProgramSize / 1000);
  struct stat after = {};
  ASSERT_EQ(stat(PathOf(11).c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
}

TEST_F(CrashReporterTest, ReportsFromManyThreads) {
  ASSERT_TRUE(Restart().ok());
  absl::Mutex mutex;
  std::vector<std::thread> workers;
  reporter_ = nullptr;
  reporter_ = std::make_unique<CrashReporter>(options_, &description_,
                                              [&](absl::AnyInvocable<void()> work) {
                                                absl::MutexLock lock(&mutex);
                                                workers.emplace_back(std::move(work));
                                              });
  ASSERT_TRUE(reporter_->Start().ok());
  std::vector<std::thread> sessions;
  for (int i = 0; i < 4; ++i) {
    sessions.emplace_back([this] {
      for (int signal = 1; signal <= 20; ++signal) reporter_->Report(Event(signal));
    });
  }
  for (std::thread& session : sessions) session.join();
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(Stats().written, 20);
  EXPECT_EQ(Stats().duplicates, 60);
}

TEST_F(CrashReporterTest, RemovesWhatAKilledRunLeftAndNothingElse) {
  ASSERT_TRUE(Restart().ok());
  Report(Event(11));
  std::ofstream(PathOf(6) + ".unfinished") << "half";
  const std::string others[] = {"README", "x.crash", "x.crash.unfinished",
                                "0123456789abcdeF.crash"};
  for (const std::string& name : others) std::ofstream(options_.directory + "/" + name) << "mine";
  ASSERT_EQ(symlink("/etc/hostname", PathOf(4).c_str()), 0);
  options_.max_reports = 1;
  ASSERT_TRUE(Restart().ok());
  EXPECT_EQ(Stats().reports, 1);
  EXPECT_EQ(Files().size(), 6u);
  EXPECT_FALSE(std::filesystem::exists(PathOf(6) + ".unfinished"));
  EXPECT_EQ(std::filesystem::exists(PathOf(11)), true);
}

TEST_F(CrashReporterTest, ADirectoryThatCannotBeUsedIsAnError) {
  std::ofstream(root_.path() + "/file") << "x";
  options_.directory = root_.path() + "/file/crashes";
  absl::Status status = Restart();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--crash_report_dir: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr(options_.directory));
  options_.directory = root_.path() + "/file";
  EXPECT_FALSE(Restart().ok());
  reporter_->Report(Event(11));  // Was not started: nothing happens.
  EXPECT_THAT(work_, IsEmpty());

  options_.directory = root_.path() + "/shared";
  ASSERT_TRUE(Restart().ok());
  CrashReporter second(options_, &description_, [](absl::AnyInvocable<void()>) {});
  EXPECT_THAT(std::string(second.Start().message()), HasSubstr("in use by another service"));
}

TEST_F(CrashReporterTest, GoesOnWithoutItsDirectory) {
  ASSERT_TRUE(Restart().ok());
  std::filesystem::remove_all(options_.directory);
  Report(Event(11));
  EXPECT_EQ(Stats().failed, 1);
  EXPECT_EQ(Stats().reports, 0);
  ASSERT_EQ(mkdir(options_.directory.c_str(), 0700), 0);
  Report(Event(11));
  EXPECT_EQ(Stats().written, 1);
}

TEST_F(CrashReporterTest, NoneIfNoneAreWanted) {
  options_.max_reports = 0;
  ASSERT_TRUE(Restart().ok());
  Report(Event(11));
  EXPECT_FALSE(std::filesystem::exists(options_.directory));
  EXPECT_EQ(Stats().written + Stats().failed, 0);
}

TEST_F(CrashReporterTest, WorksBeforeAWorkerHasDescribedItself) {
  const WorkerDescription nothing;
  reporter_ = std::make_unique<CrashReporter>(options_, &nothing,
                                              [](absl::AnyInvocable<void()> work) { work(); });
  ASSERT_TRUE(reporter_->Start().ok());
  reporter_->Report(Event(11));
  EXPECT_EQ(Stats().written, 1);
}

}  // namespace
}  // namespace holdfast
