// A file of the log, which is its user's own and does not grow for ever.
#ifndef HOLDFAST_FRONTEND_LOGGING_LOG_FILE_H_
#define HOLDFAST_FRONTEND_LOGGING_LOG_FILE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace spdlog {
class logger;
}  // namespace spdlog

namespace holdfast {

// Has mode 0600. At 10 MiB it becomes NAME.1.EXTENSION, and that NAME.2.EXTENSION, which is the
// oldest. Not thread-safe.
class LogFile {
 public:
  // DIRECTORY/NAME, to which it appends; a missing directory is made (0700). UNAVAILABLE, with the
  // path and the reason.
  static absl::StatusOr<std::unique_ptr<LogFile>> Open(const std::string& directory,
                                                       absl::string_view name);
  ~LogFile();

  // `line`: without its end. What cannot be written is lost; stderr is told, once a second.
  void Write(absl::string_view line);
  // Others see what was written.
  void Flush();

 private:
  explicit LogFile(std::unique_ptr<spdlog::logger> logger);

  const std::unique_ptr<spdlog::logger> logger_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_LOGGING_LOG_FILE_H_
