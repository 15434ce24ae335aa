// Files whose paths a worker has told its client. They outlive the worker, as long as the session.
#ifndef HOLDFAST_FRONTEND_CLIENT_FILES_H_
#define HOLDFAST_FRONTEND_CLIENT_FILES_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"

namespace holdfast {

// A worker's directory of such files, which it makes when it needs it. Shared by the worker and the
// sessions that it served, and removed with the last of them. Thread-safe.
class ClientFiles {
 public:
  // `run_blocking`: runs work that may block, on some other thread; must outlive this.
  ClientFiles(std::string path, std::function<void(absl::AnyInvocable<void()>)> run_blocking)
      : path_(std::move(path)), run_blocking_(std::move(run_blocking)) {}
  ~ClientFiles();

  ClientFiles(const ClientFiles&) = delete;
  ClientFiles& operator=(const ClientFiles&) = delete;

  const std::string& path() const { return path_; }
  // Whether the worker has made the directory. One system call.
  bool Exist() const;

 private:
  const std::string path_;
  const std::function<void(absl::AnyInvocable<void()>)> run_blocking_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_CLIENT_FILES_H_
