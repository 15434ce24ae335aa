#include "frontend/holdfastctl/crash_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

using testing::ElementsAre;

Call Step(const std::vector<int64_t>& actions, const std::vector<int>& observations = {}) {
  Call call;
  call.mutable_step();
  for (const int64_t action : actions) {
    call.mutable_step()->add_action()->set_int64_value(action);
  }
  for (const int observation : observations) {
    call.mutable_step()->add_observation_space(observation);
  }
  return call;
}

Call Parameter(const std::string& key, const std::string& value) {
  Call call;
  call.mutable_parameter()->set_key(key);
  call.mutable_parameter()->set_value(value);
  return call;
}

std::vector<std::string> Texts(const std::vector<Call>& calls) {
  std::vector<std::string> texts;
  for (const Call& call : calls) texts.push_back(DescribeCall(call, nullptr, 0));
  return texts;
}

WorkerFailure Failure(WorkerFailure::Cause cause, int signal = 0, int exit_code = 0) {
  WorkerFailure failure;
  failure.set_cause(cause);
  failure.set_signal(signal);
  failure.set_exit_code(exit_code);
  return failure;
}

TEST(CrashScriptTest, TakesCallsApartAndPutsThemTogether) {
  const std::vector<Call> calls = {Step({1, 2}), Parameter("k", "v"), Step({3}, {4, 5}), Step({})};
  const std::vector<Atom> atoms = AtomsOf(calls);
  ASSERT_EQ(atoms.size(), 7U);
  EXPECT_EQ(CountActions(calls), 3);
  EXPECT_THAT(Texts(Assemble(atoms, {0, 1, 2, 3, 4, 5, 6}, Grouping::kOriginal)),
              testing::ElementsAreArray(Texts(calls)));
  EXPECT_THAT(
      Texts(Assemble(atoms, {0, 1, 2, 3, 4, 5, 6}, Grouping::kSplit)),
      ElementsAre("1", "2", "parameter k = v", "3", "observation 4", "observation 5", "nothing"));
  EXPECT_THAT(Texts(Assemble(atoms, {1, 3, 5}, Grouping::kOriginal)),
              ElementsAre("2", "3, observation 5"));
  EXPECT_THAT(Texts(Assemble(atoms, {}, Grouping::kSplit)), ElementsAre());
}

TEST(CrashScriptTest, AReportWithOtherCallsHasThese) {
  CrashReport report;
  *report.add_history() = Step({1});
  *report.mutable_step() = Step({2}, {3}).step();
  EXPECT_THAT(Texts(CallsOf(report)), ElementsAre("1", "2, observation 3"));

  const WorkerFailure failure = Failure(WorkerFailure::EXIT, 0, 3);
  const CrashReport step = WithCalls(report, {Step({7}), Step({8})}, failure);
  EXPECT_THAT(Texts(CallsOf(step)), ElementsAre("7", "8"));
  EXPECT_TRUE(step.has_step());
  EXPECT_EQ(step.failure().exit_code(), 3);
  const CrashReport parameter = WithCalls(report, {Parameter("k", "v")}, failure);
  EXPECT_THAT(Texts(CallsOf(parameter)), ElementsAre("parameter k = v"));
  EXPECT_TRUE(parameter.has_parameter());
  const CrashReport start = WithCalls(report, {}, failure);
  EXPECT_THAT(Texts(CallsOf(start)), ElementsAre());
  EXPECT_TRUE(start.has_start());
}

TEST(CrashScriptTest, FailuresAreTheSameByCauseAndPlace) {
  const Call step = Step({2});
  const Call other = Step({9});
  const FailureIdentity crash = IdentityOf(Failure(WorkerFailure::SIGNAL, SIGSEGV), &step);
  EXPECT_TRUE(IsSame(crash, crash));
  // Any of these.
  const Call several = Step({1, 2}, {3});
  EXPECT_TRUE(IsSame(crash, IdentityOf(Failure(WorkerFailure::SIGNAL, SIGSEGV), &several)));
  EXPECT_FALSE(IsSame(crash, IdentityOf(Failure(WorkerFailure::SIGNAL, SIGSEGV), &other)));
  EXPECT_FALSE(IsSame(crash, IdentityOf(Failure(WorkerFailure::SIGNAL, SIGSEGV), nullptr)));
  EXPECT_FALSE(IsSame(crash, IdentityOf(Failure(WorkerFailure::SIGNAL, SIGABRT), &step)));
  EXPECT_FALSE(IsSame(crash, IdentityOf(Failure(WorkerFailure::EXIT, 0, 1), &step)));
  EXPECT_FALSE(IsSame(IdentityOf(Failure(WorkerFailure::EXIT, 0, 1), &step),
                      IdentityOf(Failure(WorkerFailure::EXIT, 0, 2), &step)));
  // By which signal it was ended is chance if it was the service that ended it.
  EXPECT_TRUE(IsSame(IdentityOf(Failure(WorkerFailure::TIME_LIMIT, SIGKILL), &step),
                     IdentityOf(Failure(WorkerFailure::TIME_LIMIT), &step)));
}

TEST(CrashScriptTest, ThePlaceIsWhatTheWorkerSaidItWasDoing) {
  const Call step = Step({1, 2}, {3, 4});
  WorkerFailure failure = Failure(WorkerFailure::SIGNAL, SIGSEGV);
  failure.set_activity(WorkerFailure::ACTION);
  failure.set_activity_index(0);
  const Call first = Step({1});
  EXPECT_EQ(IdentityOf(failure, &step).where, IdentityOf(failure, &first).where);
  failure.set_activity(WorkerFailure::OBSERVATION);
  failure.set_activity_index(1);
  EXPECT_EQ(IdentityOf(failure, &step).where, "observation 4");
  failure.set_activity(WorkerFailure::END_OF_STEP);
  const Call second = Step({2});
  EXPECT_EQ(IdentityOf(failure, &step).where, IdentityOf(failure, &second).where);
  // What cannot be is not believed.
  failure.set_activity(WorkerFailure::ACTION);
  for (const int index : {-1, 2, INT_MAX}) {
    failure.set_activity_index(index);
    EXPECT_EQ(IdentityOf(failure, &step).where, "");
  }
}

TEST(CrashScriptTest, OnlyFailuresOutsideOfActionsAreKnownToBeThere) {
  const WorkerFailure failure = Failure(WorkerFailure::SIGNAL, SIGSEGV);
  for (const Call& call : {Step({1}), Step({1, 2}), Step({1}, {2})}) {
    EXPECT_TRUE(MayBeInAction(IdentityOf(failure, &call)));
  }
  for (const Call& call : {Step({}, {1}), Step({}), Parameter("k", "v")}) {
    EXPECT_FALSE(MayBeInAction(IdentityOf(failure, &call)));
  }
  EXPECT_FALSE(MayBeInAction(IdentityOf(failure, nullptr)));
}

TEST(CrashScriptTest, AReportWithoutACallIsTheSameWhereverItFails) {
  CrashReport report;
  *report.mutable_failure() = Failure(WorkerFailure::SIGNAL, SIGSEGV);
  const Call step = Step({1});
  EXPECT_TRUE(IsSame(IdentityOf(report), IdentityOf(report.failure(), &step)));
}

TEST(CrashScriptTest, TextIsPrintable) {
  EXPECT_EQ(Printable("a b~\\"), "a b~\\x5c");
  EXPECT_EQ(Printable("\x1b[2J\n\xc3\xa9\x7f"), "\\x1b[2J\\x0a\\xc3\\xa9\\x7f");
  EXPECT_EQ(DescribeCall(Parameter("k\n", "\x1b"), nullptr, 0), "parameter k\\x0a = \\x1b");
}

TEST(CrashScriptTest, NamesAreThoseOfTheSpaces) {
  compiler_gym::GetSpacesReply spaces;
  auto* names = spaces.add_action_space_list()->mutable_space()->mutable_named_discrete();
  names->add_name("zero");
  names->add_name("o\ne");
  spaces.add_observation_space_list()->set_name("Ir");
  EXPECT_EQ(DescribeCall(Step({0, 1, 2, -1}, {0, 1, -1}), &spaces, 0),
            "zero (0), o\\x0ae (1), 2, -1, observation Ir (0), observation 1, observation -1");
  EXPECT_EQ(DescribeCall(Step({0}), &spaces, 1), "0");
}

TEST(CrashScriptTest, CausesHaveShortNames) {
  EXPECT_EQ(DescribeCause(WorkerFailure::SIGNAL, SIGSEGV, 0), "SIGSEGV");
  EXPECT_EQ(DescribeCause(WorkerFailure::SIGNAL, 999, 0), "signal 999");
  EXPECT_EQ(DescribeCause(WorkerFailure::EXIT, 0, 7), "exit 7");
  EXPECT_EQ(DescribeCause(WorkerFailure::TIME_LIMIT, SIGKILL, 0), "time_limit");
}

}  // namespace
}  // namespace holdfast
