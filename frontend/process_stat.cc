#include "frontend/process_stat.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/unique_fd.h"

namespace holdfast {
namespace {

// Fields of /proc/PID/stat after the name, which may contain anything; proc(5) counts from 1, and
// the first of these is its third.
enum StatField {
  kState = 0,
  kParent = 1,
  kGroup = 2,
  kUserTicks = 11,
  kSystemTicks = 12,
  kChildrenUserTicks = 13,
  kChildrenSystemTicks = 14,
  kThreads = 17,
  kStartTicks = 19,
  kVirtualBytes = 20,
  kRssPages = 21,
  kStatFields = 22,
};

}  // namespace

absl::optional<ProcessStat> ParseProcessStat(absl::string_view text) {
  static const auto kTicksPerSecond = static_cast<double>(sysconf(_SC_CLK_TCK));
  static const int64_t kPageBytes = sysconf(_SC_PAGESIZE);
  const size_t name_end = text.rfind(") ");
  ProcessStat stat;
  if (name_end == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(0, text.find(' ')), &stat.pid)) {
    return absl::nullopt;
  }
  const std::vector<absl::string_view> fields = absl::StrSplit(text.substr(name_end + 2), ' ');
  if (fields.size() < kStatFields || fields[kState].size() != 1) return absl::nullopt;
  stat.state = fields[kState][0];
  bool valid = absl::SimpleAtoi(fields[kParent], &stat.parent) &&
               absl::SimpleAtoi(fields[kGroup], &stat.group) &&
               absl::SimpleAtoi(fields[kThreads], &stat.threads) &&
               absl::SimpleAtoi(fields[kVirtualBytes], &stat.virtual_bytes) &&
               absl::SimpleAtoi(fields[kRssPages], &stat.rss_bytes);
  stat.rss_bytes *= kPageBytes;
  const auto seconds = [&](StatField field) {
    int64_t ticks = 0;
    valid = valid && absl::SimpleAtoi(fields[field], &ticks);
    return static_cast<double>(ticks) / kTicksPerSecond;
  };
  stat.start_seconds = seconds(kStartTicks);
  stat.own_cpu_seconds = seconds(kUserTicks) + seconds(kSystemTicks);
  stat.cpu_seconds =
      stat.own_cpu_seconds + seconds(kChildrenUserTicks) + seconds(kChildrenSystemTicks);
  return valid ? absl::make_optional(stat) : absl::nullopt;
}

absl::optional<ProcessStat> ReadProcessStat(pid_t pid) {
  return ParseProcessStat(ReadProcFile(pid, "stat"));
}

std::string ReadProcFile(pid_t pid, absl::string_view name) {
  const std::string path = absl::StrCat("/proc/", pid, "/", name);
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 2048> bytes;
  const ssize_t size = file ? read(file.get(), bytes.data(), bytes.size()) : 0;
  return size > 0 ? std::string(bytes.data(), static_cast<size_t>(size)) : std::string();
}

}  // namespace holdfast
