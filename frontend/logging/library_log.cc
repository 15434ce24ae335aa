#include "frontend/logging/library_log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <string>

#include "frontend/logging/log.h"

namespace holdfast {
namespace {

// Their errors are not the service's: it says itself what it cannot do.
void OnGrpcLog(gpr_log_func_args* args) {
  Log(args->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning : LogLevel::kDebug,
      Subsystem::kFront, "gRPC",
      {{"says", args->message}, {"file", args->file}, {"line", int64_t{args->line}}});
}

void OnProtobufLog(google::protobuf::LogLevel level, const char* file, int line,
                   const std::string& message) {
  Log(level >= google::protobuf::LOGLEVEL_WARNING ? LogLevel::kWarning : LogLevel::kDebug,
      Subsystem::kFront, "Protocol Buffers",
      {{"says", message}, {"file", file}, {"line", int64_t{line}}});
}

}  // namespace

void LogForLibraries() {
  gpr_set_log_function(OnGrpcLog);
  google::protobuf::SetLogHandler(OnProtobufLog);
}

}  // namespace holdfast
