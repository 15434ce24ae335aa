// The spawner: the small process that starts, reaps and kills the workers for the front.
#ifndef HOLDFAST_FRONTEND_SPAWNER_SPAWNER_PROCESS_H_
#define HOLDFAST_FRONTEND_SPAWNER_SPAWNER_PROCESS_H_

namespace holdfast {

// The whole life of a spawner process, as main() of a program that was started with
// kSpawnerRoleArgument: one thread, nothing else initialised. `control_fd` (kSpawnerControlFd) is
// the socket to the front. When that ends, however the front ended, every worker and what it left
// behind is killed, then what was registered for removal is removed. Returns the exit code.
int RunSpawner(int control_fd);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_SPAWNER_PROCESS_H_
