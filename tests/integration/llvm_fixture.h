// The LLVM worker in a real service, with its spaces by name.
#ifndef HOLDFAST_TESTS_INTEGRATION_LLVM_FIXTURE_H_
#define HOLDFAST_TESTS_INTEGRATION_LLVM_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/service_process.h"

namespace holdfast {

inline std::string Compressor() {
  std::ifstream file(RunfilePath("worker/llvm/benchmarks/programs/compressor.c"));
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty());
  return text.str();
}

class LlvmTest : public testing::Test {
 protected:
  // Without warm workers each worker belongs to a session.
  LlvmTest() : LlvmTest(std::vector<std::string>()) {}
  explicit LlvmTest(std::vector<std::string> flags)
      : service_("worker/llvm/llvm_worker", With("--warm_workers=0", std::move(flags))) {
    compiler_gym::GetSpacesReply spaces;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    const auto client = service_.NewClient();
    EXPECT_TRUE(client->GetSpaces(&context, {}, &spaces).ok());
    for (const auto& space : spaces.observation_space_list()) {
      observations_.emplace(space.name(), static_cast<int>(observations_.size()));
    }
    for (const auto& space : spaces.action_space_list()) {
      action_spaces_.emplace(space.name(), static_cast<int>(action_spaces_.size()));
      passes_.push_back(space.space().named_discrete());
    }
  }

  TestSession NewSession(const std::string& action_space) {
    return NewSession(action_space, "compressor", Compressor());
  }
  TestSession NewSession(const std::string& action_space, const std::string& name,
                         const std::string& program) {
    return TestSession(service_, "benchmark://holdfast-v0/" + name, program,
                       action_spaces_.at(action_space));
  }
  int64_t Action(const std::string& action_space, const std::string& name) {
    const auto& names = passes_.at(action_spaces_.at(action_space)).name();
    const auto found = std::find(names.begin(), names.end(), name);
    EXPECT_NE(found, names.end()) << name;
    return found - names.begin();
  }
  std::vector<int64_t> RandomPasses(int count) {
    const char* const kPasses[] = {"sroa",        "early-cse<memssa>",
                                   "simplifycfg", "gvn",
                                   "licm",        "loop-rotate",
                                   "indvars",     "inline",
                                   "adce",        "sccp",
                                   "reassociate", "dse",
                                   "loop-unroll", "globalopt"};
    std::mt19937 random(7);
    std::vector<int64_t> actions;
    for (int i = 0; i < count; ++i) {
      actions.push_back(Action("passes", kPasses[random() % std::size(kPasses)]));
    }
    return actions;
  }
  std::string State(TestSession* session) {
    return session->Observe(observations_.at("Ir")).string_value() +
           session->Observe(observations_.at("InstCount")).ShortDebugString();
  }

  static std::vector<std::string> With(std::string flag, std::vector<std::string> flags) {
    flags.push_back(std::move(flag));
    return flags;
  }

  ServiceProcess service_;
  std::map<std::string, int> observations_;
  std::map<std::string, int> action_spaces_;
  std::vector<compiler_gym::NamedDiscreteSpace> passes_;
};

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_INTEGRATION_LLVM_FIXTURE_H_
