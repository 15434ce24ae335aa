#include "frontend/action_name.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

constexpr size_t kMaxValueSize = 200;

// Empty: the space has no names, or not that one.
std::string NameOf(const compiler_gym::Space& space, const compiler_gym::Event& action) {
  compiler_gym::CommandlineSpace commandline;
  const bool is_commandline = space.has_any_value() && space.any_value().UnpackTo(&commandline);
  const auto& names = is_commandline ? commandline.name() : space.named_discrete().name();
  const int64_t index = action.has_int64_value() ? action.int64_value() : -1;
  return index >= 0 && index < names.size() ? names.Get(static_cast<int>(index)) : "";
}

std::string ValueOf(const compiler_gym::Event& action) {
  const std::string text = action.ShortDebugString().substr(0, kMaxValueSize);
  return text.empty() ? "no value" : text;
}

}  // namespace

std::string ActionName(const compiler_gym::Space& space, const compiler_gym::Event& action) {
  std::string name = NameOf(space, action);
  return name.empty() ? ValueOf(action) : name;
}

std::string DescribeAction(const compiler_gym::Space& space, const compiler_gym::Event& action) {
  const std::string name = NameOf(space, action);
  if (!name.empty()) return absl::StrCat(name, " (", action.int64_value(), ")");
  return action.has_int64_value() ? absl::StrCat(action.int64_value()) : ValueOf(action);
}

}  // namespace holdfast
