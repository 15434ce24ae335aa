#include "frontend/logging/log_levels.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace holdfast {
namespace {

// In the order of their enums.
constexpr const char* kLevelNames[] = {"debug", "info", "warning", "error"};
constexpr const char* kSubsystemNames[] = {
    "front", "listener", "pool", "session", "benchmarks", "crash_reports", "http", "admin", "log"};
constexpr const char* kFormatNames[] = {"text", "json"};
static_assert(std::size(kLevelNames) == kLogLevels, "each level has a name");
static_assert(std::size(kSubsystemNames) == kSubsystems, "each subsystem has a name");

// The value of an enum that has that name; nullopt: none has.
template <typename Enum, size_t kSize>
absl::optional<Enum> Find(const char* const (&names)[kSize], absl::string_view name) {
  const auto* const found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) return absl::nullopt;
  return static_cast<Enum>(found - std::begin(names));
}

// "info" or "pool=debug". False: it is neither.
bool ParseItem(absl::string_view item, LogLevels* levels) {
  const std::vector<absl::string_view> parts = absl::StrSplit(item, absl::MaxSplits('=', 1));
  const auto level = Find<LogLevel>(kLevelNames, parts.back());
  if (!level.has_value()) return false;
  if (parts.size() == 1) {
    levels->base = *level;
    return true;
  }
  const auto subsystem = Find<Subsystem>(kSubsystemNames, parts.front());
  if (subsystem.has_value()) levels->own[static_cast<int>(*subsystem)] = level;
  return subsystem.has_value();
}

}  // namespace

absl::string_view LogLevelName(LogLevel level) { return kLevelNames[static_cast<int>(level)]; }

absl::string_view SubsystemName(Subsystem subsystem) {
  return kSubsystemNames[static_cast<int>(subsystem)];
}

std::string SubsystemNames() { return absl::StrJoin(kSubsystemNames, ", "); }

bool AbslParseFlag(absl::string_view text, LogLevels* levels, std::string* error) {
  *levels = LogLevels();
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    if (ParseItem(item, levels)) continue;
    *error =
        absl::StrCat("'", item, "' must be LEVEL or SUBSYSTEM=LEVEL, where LEVEL is one of ",
                     absl::StrJoin(kLevelNames, ", "), ", and SUBSYSTEM one of ", SubsystemNames());
    return false;
  }
  return true;
}

std::string AbslUnparseFlag(const LogLevels& levels) {
  std::string text(LogLevelName(levels.base));
  for (int i = 0; i < kSubsystems; ++i) {
    if (!levels.own[i].has_value()) continue;
    absl::StrAppend(&text, ",", kSubsystemNames[i], "=", LogLevelName(*levels.own[i]));
  }
  return text;
}

bool AbslParseFlag(absl::string_view text, LogFormat* format, std::string* error) {
  const auto found = Find<LogFormat>(kFormatNames, text);
  if (found.has_value()) {
    *format = *found;
  } else {
    *error = absl::StrCat("must be one of ", absl::StrJoin(kFormatNames, ", "));
  }
  return found.has_value();
}

std::string AbslUnparseFlag(LogFormat format) { return kFormatNames[static_cast<int>(format)]; }

}  // namespace holdfast
