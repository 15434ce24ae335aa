// The front as a program of its own, for any worker binary (--worker). A binary made with the
// worker SDK needs it not: it is a front, too.
#include <grpcpp/ext/channelz_service_plugin.h>

#include <iostream>

#include "common/roles.h"
#include "frontend/frontend.h"
#include "frontend/spawner/spawner_process.h"

namespace {

constexpr char kUsage[] =
    "Runs a crash-tolerant compiler service.\n\n"
    "  holdfast --worker=PATH [--listen=HOST:PORT] [--working_dir=DIR] …";

}  // namespace

int main(int argc, char** argv) {
  switch (holdfast::TakeRole(&argc, argv)) {
    case holdfast::Role::kSpawner:
      return holdfast::RunSpawner(holdfast::kSpawnerControlFd);
    case holdfast::Role::kWorker:
      std::cerr << "ERROR: holdfast itself is no worker: --worker must name one" << std::endl;
      return 1;
    case holdfast::Role::kFront:
      // For the admin socket: it tells who is connected. Binaries made with the SDK have it not,
      // for each of their workers would start with it, too.
      grpc::channelz::experimental::InitChannelzService();
      return holdfast::RunFrontend(argc, argv, kUsage, /*is_worker=*/false);
  }
}
