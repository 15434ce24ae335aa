// Reads the end of a log, and what is appended to it.
#ifndef HOLDFAST_FRONTEND_ADMIN_LOG_TAIL_H_
#define HOLDFAST_FRONTEND_ADMIN_LOG_TAIL_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/unique_fd.h"

namespace holdfast {

// Goes on in the next file when the log is rotated, that is when another file takes its place at
// the path, and from the beginning when it is cut. Thread-compatible; blocks on the disk.
class LogTail {
 public:
  // Of one Read().
  static constexpr size_t kMaxBytes = 64 << 10;

  // Begins `lines` lines before the end of the file at `path`, or at its beginning if it has fewer.
  // If there is no such file, begins with the one that comes.
  LogTail(std::string path, int lines);

  // The next lines that are complete, without their ends; none: there are no more for now. Lines of
  // more than kMaxBytes come in pieces. UTF-8: other bytes are replaced by '?'.
  std::vector<std::string> Read();

 private:
  void SeekBack(int lines);
  // Appends to the buffer. False: at the end of the file.
  bool Fill();
  // Another file is at the path: true, and it is the one that is read from now on.
  bool OpenNext();
  std::vector<std::string> TakeLines();

  const std::string path_;
  UniqueFd file_;
  off_t offset_ = 0;
  std::string buffer_;  // Read, but not given away.
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_LOG_TAIL_H_
