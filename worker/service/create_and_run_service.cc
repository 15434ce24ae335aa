#include "worker/service/create_and_run_service.h"

#include "common/roles.h"
#include "frontend/frontend.h"
#include "frontend/spawner/spawner_process.h"
#include "worker/worker_main.h"

namespace holdfast {

int RunService(int argc, char** argv, const std::string& usage, SessionType (*type)()) {
  switch (TakeRole(&argc, argv)) {
    case Role::kSpawner:
      return RunSpawner(kSpawnerControlFd);
    case Role::kWorker:
      return RunWorker(argc, argv, type());
    case Role::kFront:
      return RunFrontend(argc, argv, usage, /*is_worker=*/true);
  }
  return 1;
}

}  // namespace holdfast
