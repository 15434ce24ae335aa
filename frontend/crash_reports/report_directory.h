// The files of crash reports, within bounds.
#ifndef HOLDFAST_FRONTEND_CRASH_REPORTS_REPORT_DIRECTORY_H_
#define HOLDFAST_FRONTEND_CRASH_REPORTS_REPORT_DIRECTORY_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/unique_fd.h"

namespace holdfast {

// Files named ID.crash, each with a modification time that says when its failure was last seen.
// Belongs to one service at a time, which a lock ensures; anyone may read meanwhile, and remove
// files. All calls but reports() and bytes() may block. Not thread-safe.
class ReportDirectory {
 public:
  struct Bounds {
    int64_t max_reports = 0;  // At least 0.
    int64_t max_bytes = 0;    // At least 0.
  };

  // Makes the directory (0700) if need be, finds the reports that are there, removes what a killed
  // service left half-written, and what exceeds `bounds`. InvalidArgument names the path.
  static absl::StatusOr<ReportDirectory> Open(const std::string& path, const Bounds& bounds);

  // Whether there is a report `id`; it counts as seen now.
  bool Touch(const std::string& id);

  // Adds a report, complete or not at all, mode 0600; those not seen for longest make room for it.
  // RESOURCE_EXHAUSTED, and nothing is removed, if it is larger than all may be together.
  absl::Status Write(const std::string& id, absl::string_view bytes);

  int64_t reports() const { return static_cast<int64_t>(files_.size()); }
  int64_t bytes() const { return bytes_; }

 private:
  struct File {
    int64_t size = 0;
    int64_t seen_nanos = 0;  // Since the Unix epoch.
  };

  void Scan();
  void MakeRoom(int64_t reports, int64_t bytes);
  void Forget(const std::string& id);
  void Add(const std::string& id, const File& file);
  std::string PathOf(const std::string& id) const;
  // Later than all times before, even if the clock is not.
  int64_t Now();

  std::string path_;
  Bounds bounds_;
  UniqueFd lock_;
  std::map<std::string, File> files_;  // By id.
  int64_t bytes_ = 0;
  int64_t newest_nanos_ = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_CRASH_REPORTS_REPORT_DIRECTORY_H_
