#include "tests/chaos/session_type.h"

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace holdfast::chaos {
namespace {

std::vector<std::string> ExamplePrograms() {
  std::vector<std::string> programs;
  std::mt19937 random(1);
  for (const int size : {20, 1000, 10000}) {
    std::string& program = programs.emplace_back();
    for (int i = 0; i < size; ++i) program += "+-<>.T"[random() % 6];
  }
  return programs;
}

std::vector<std::string> LlvmPrograms() {
  std::vector<std::string> programs;
  for (const char* name : {"calculator", "compressor", "linear_algebra"}) {
    std::ifstream file(RunfilePath(absl::StrCat("worker/llvm/benchmarks/programs/", name, ".c")));
    std::ostringstream text;
    text << file.rdbuf();
    programs.push_back(text.str());
  }
  return programs;
}

int Find(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

// The bitcode of each program: a benchmark again, which needs no C compiler to be loaded.
void AddBitcode(const std::vector<std::string>& observation_names, const ServiceProcess& service,
                Offer* offer) {
  const int bitcode = Find(observation_names, "Bitcode");
  if (bitcode < 0) return;
  const std::vector<std::string> sources = offer->programs;
  for (size_t i = 0; i < sources.size(); ++i) {
    TestSession session(service, ProgramUri(*offer->type, static_cast<int>(i)), sources[i]);
    offer->programs.push_back(session.Observe(bitcode).byte_tensor().value());
    session.End();
  }
}

}  // namespace

const std::vector<SessionType>& SessionTypes() {
  static const auto* const kTypes = new std::vector<SessionType>{
      {"example",
       "worker/example/example_worker",
       "pass",
       "text",
       {},
       {"example.max_rewrites=1", "example.max_rewrites=3", "example.max_rewrites=1000000"},
       100,
       ExamplePrograms},
      {"llvm",
       "worker/llvm/llvm_worker",
       "passes",
       "Ir",
       // Of the original program, whatever the session has done to it.
       {"IrInstructionCountO0", "IrInstructionCountO3", "IrInstructionCountOz", "TextSizeO0",
        "TextSizeO3", "TextSizeOz", "ObjectTextSizeO0", "ObjectTextSizeO3", "ObjectTextSizeOz"},
       {},
       12,
       LlvmPrograms},
  };
  return *kTypes;
}

Offer AskFor(const SessionType& type, const ServiceProcess& service) {
  Offer offer;
  offer.type = &type;
  offer.programs = type.programs();
  compiler_gym::GetSpacesReply spaces;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  service.NewClient()->GetSpaces(&context, {}, &spaces);
  for (int i = 0; i < spaces.action_space_list_size(); ++i) {
    if (spaces.action_space_list(i).name() != type.action_space) continue;
    offer.action_space = i;
    const auto& action_names = spaces.action_space_list(i).space().named_discrete().name();
    offer.action_names.assign(action_names.begin(), action_names.end());
  }
  std::vector<std::string> names;
  for (const auto& space : spaces.observation_space_list()) {
    const int index = static_cast<int>(names.size());
    names.push_back(space.name());
    if (space.name() == type.state) offer.state = index;
    if (space.deterministic() && Find(type.dear, space.name()) < 0) {
      offer.observations.push_back(index);
    }
  }
  AddBitcode(names, service, &offer);
  return offer;
}

std::string ProgramUri(const SessionType& type, int program) {
  return absl::StrCat("benchmark://chaos/", type.name, "-", program);
}

grpc::Status AddPrograms(const Offer& offer, compiler_gym::CompilerGymService::Stub* stub) {
  for (size_t i = 0; i < offer.programs.size(); ++i) {
    grpc::Status status =
        AddBenchmark(stub, ProgramUri(*offer.type, static_cast<int>(i)), offer.programs[i]);
    if (!status.ok()) return status;
  }
  return grpc::Status::OK;
}

}  // namespace holdfast::chaos
