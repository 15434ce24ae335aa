#include "frontend/client_files.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>

namespace holdfast {

ClientFiles::~ClientFiles() {
  if (!Exist()) return;
  run_blocking_([path = path_] {
    std::error_code ignored;  // What cannot be removed here goes with the service's directory.
    std::filesystem::remove_all(path, ignored);
  });
}

bool ClientFiles::Exist() const { return access(path_.c_str(), F_OK) == 0; }

}  // namespace holdfast
