#include "frontend/admin/log_tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"
#include "common/utf8.h"

namespace holdfast {
namespace {

UniqueFd Open(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

}  // namespace

LogTail::LogTail(std::string path, int lines) : path_(std::move(path)), file_(Open(path_)) {
  SeekBack(lines);
}

void LogTail::SeekBack(int lines) {
  struct stat info {};
  if (!file_ || fstat(file_.get(), &info) != 0) return;
  off_t position = info.st_size;
  std::string block(kMaxBytes, '\0');
  int ends = 0;
  while (position > 0) {
    const auto size = static_cast<size_t>(std::min<off_t>(position, kMaxBytes));
    position -= static_cast<off_t>(size);
    if (pread(file_.get(), block.data(), size, position) != static_cast<ssize_t>(size)) return;
    for (size_t i = size; i-- > 0;) {
      if (block[i] != '\n' || ends++ < lines) continue;
      offset_ = position + static_cast<off_t>(i) + 1;
      return;
    }
  }
  offset_ = 0;
}

std::vector<std::string> LogTail::Read() {
  std::vector<std::string> lines = TakeLines();
  while (lines.empty()) {
    if (!Fill()) {
      if (!OpenNext()) break;
      continue;
    }
    lines = TakeLines();
  }
  return lines;
}

bool LogTail::Fill() {
  if (!file_) return false;
  struct stat info {};
  if (fstat(file_.get(), &info) == 0 && info.st_size < offset_) offset_ = 0;
  const size_t before = buffer_.size();
  buffer_.resize(before + kMaxBytes);
  const ssize_t count = pread(file_.get(), &buffer_[before], kMaxBytes, offset_);
  buffer_.resize(before + static_cast<size_t>(std::max<ssize_t>(0, count)));
  offset_ += std::max<ssize_t>(0, count);
  return count > 0;
}

bool LogTail::OpenNext() {
  struct stat mine {};
  struct stat there {};
  UniqueFd next = Open(path_);
  if (!next || fstat(next.get(), &there) != 0) return false;
  if (file_) {
    if (fstat(file_.get(), &mine) == 0 && mine.st_ino == there.st_ino &&
        mine.st_dev == there.st_dev) {
      return false;
    }
    // Nothing more is written to the old one, but some of it may have been since it was read.
    if (Fill()) return true;
    if (!buffer_.empty()) buffer_ += '\n';  // It will not be completed.
  }
  file_ = std::move(next);
  offset_ = 0;
  return true;
}

std::vector<std::string> LogTail::TakeLines() {
  std::vector<std::string> lines;
  absl::string_view rest = buffer_;
  size_t taken = 0;
  while (taken < kMaxBytes) {
    const size_t end = rest.find('\n');
    const bool is_whole = end <= kMaxBytes;  // npos is more.
    if (!is_whole && rest.size() <= kMaxBytes) break;
    const size_t size = is_whole ? end : kMaxBytes;
    lines.push_back(ToUtf8(rest.substr(0, size)));
    rest.remove_prefix(size + (is_whole ? 1 : 0));
    taken += size + 1;
  }
  buffer_.erase(0, buffer_.size() - rest.size());
  return lines;
}

}  // namespace holdfast
