// The directory of one service on disk: port.txt, pid.txt, logs/ and scratch data.
#ifndef HOLDFAST_FRONTEND_WORKING_DIRECTORY_H_
#define HOLDFAST_FRONTEND_WORKING_DIRECTORY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/unique_fd.h"

namespace holdfast {

class WorkingDirectory {
 public:
  // What the name of a directory with scratch data begins with; six more characters follow.
  static constexpr char kScratchPrefix[] = "holdfast-scratch-";

  // Makes `path` and what is in it, or a fresh directory if `path` is empty. All that it makes is
  // for the user's eyes only: logs and scratch data hold programs. Removes the scratch data of runs
  // that were killed before they could. InvalidArgument if that cannot be done, or another service
  // uses the directory.
  static absl::StatusOr<WorkingDirectory> Make(const std::string& path);

  const std::string& path() const { return path_; }
  std::string logs() const { return path_ + "/logs"; }
  // Below it workers get their directories. New with each run.
  const std::string& scratch() const { return scratch_; }
  // Made for this run: it goes at the end, with all that is in it.
  bool is_fresh() const { return is_fresh_; }
  // What must go at the end: all of it if it was made afresh, else the scratch data.
  const std::string& to_remove() const { return is_fresh_ ? path_ : scratch_; }

  // Writes the file `name` so that whoever sees it sees all of it.
  absl::Status Write(const std::string& name, absl::string_view contents) const;
  // Ignored if there is none.
  void Remove(const std::string& name) const;

 private:
  std::string path_;
  std::string scratch_;
  bool is_fresh_ = false;
  // Held as long as this object: of the directory itself, and of the scratch data, which may be in
  // a place that other services share.
  UniqueFd lock_;
  UniqueFd scratch_lock_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKING_DIRECTORY_H_
