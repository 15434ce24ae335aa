#include "worker/llvm/cpu_info.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace holdfast::llvm_session {
namespace {

namespace fs = std::filesystem;

// What a cache is called here, and what the kernel tells of it.
struct CacheKind {
  const char* name;
  const char* level;
  const char* type;  // nullptr: any.
};

constexpr CacheKind kCacheKinds[] = {
    {"l1i", "1", "Instruction"}, {"l1d", "1", "Data"}, {"l2", "2", nullptr},
    {"l3", "3", nullptr},        {"l4", "4", nullptr},
};

struct Caches {
  int64_t size = -1;             // Of the largest.
  std::set<std::string> owners;  // The CPUs that share one, for each.
};

// The first line; empty if there is none.
std::string Line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The entries of `directory` that are named `prefix` and a number.
std::vector<fs::path> Numbered(const fs::path& directory, absl::string_view prefix) {
  std::vector<fs::path> entries;
  std::error_code no_directory;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, no_directory)) {
    const std::string name = entry.path().filename();
    absl::string_view digits = name;
    int number = 0;
    if (absl::ConsumePrefix(&digits, prefix) && absl::SimpleAtoi(digits, &number)) {
      entries.push_back(entry.path());
    }
  }
  return entries;
}

// "32K" in bytes; -1 if it is no size.
int64_t Bytes(absl::string_view size) {
  int shift = 0;
  if (absl::ConsumeSuffix(&size, "K")) shift = 10;
  if (absl::ConsumeSuffix(&size, "M")) shift = 20;
  int64_t number = 0;
  return absl::SimpleAtoi(size, &number) ? number << shift : -1;
}

// What follows `key` and a colon, of the first processor.
std::string CpuinfoValue(const std::string& cpuinfo, absl::string_view key) {
  std::ifstream file(cpuinfo);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || !absl::StartsWith(line, key)) continue;
    return std::string(absl::StripAsciiWhitespace(absl::string_view(line).substr(colon + 1)));
  }
  return "";
}

}  // namespace

std::string CpuInfoJson(const std::string& cpuinfo, const std::string& cpus) {
  std::set<std::string> cores;  // The threads of each.
  std::map<std::string, Caches> caches;
  for (const fs::path& cpu : Numbered(cpus, "cpu")) {
    cores.insert(Line(cpu / "topology" / "thread_siblings_list"));
    for (const fs::path& cache : Numbered(cpu / "cache", "index")) {
      const std::string level = Line(cache / "level");
      const std::string type = Line(cache / "type");
      for (const CacheKind& kind : kCacheKinds) {
        if (level != kind.level || (kind.type != nullptr && type != kind.type)) continue;
        Caches& found = caches[kind.name];
        found.size = std::max(found.size, Bytes(Line(cache / "size")));
        found.owners.insert(Line(cache / "shared_cpu_list"));
      }
    }
  }
  cores.erase("");  // CPUs that are offline.

  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::json::OStream json(stream);
  json.object([&] {
    json.attribute("name", llvm::json::fixUTF8(CpuinfoValue(cpuinfo, "model name")));
    json.attribute("cores_count", static_cast<int64_t>(cores.size()));
    for (const CacheKind& kind : kCacheKinds) {
      const Caches& found = caches[kind.name];
      json.attribute(absl::StrCat(kind.name, "_cache_size"), found.size);
      json.attribute(absl::StrCat(kind.name, "_cache_count"),
                     static_cast<int64_t>(found.owners.size()));
    }
  });
  return text;
}

}  // namespace holdfast::llvm_session
