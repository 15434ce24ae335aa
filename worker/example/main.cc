#include "worker/example/example_session.h"
#include "worker/service/create_and_run_service.h"

int main(int argc, char** argv) {
  return holdfast::CreateAndRunService<holdfast::ExampleSession>(
      argc, argv, "Serves a toy compiler: the example of the Holdfast worker SDK.");
}
