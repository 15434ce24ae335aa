#include "frontend/logging/library_log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <string>

#include "absl/strings/match.h"
#include "frontend/logging/log.h"

namespace holdfast {
namespace {

// The library aborts the process after that.
constexpr LogMessage kLastWords = "a library gives up";

// Their errors are not the service's: it says itself what it cannot do.
void OnGrpcLog(gpr_log_func_args* args) {
  const LogField fields[] = {
      {"says", args->message}, {"file", args->file}, {"line", int64_t{args->line}}};
  if (absl::StartsWith(args->message, "assertion failed")) {
    LogError(Subsystem::kFront, kLastWords, fields);
  } else if (args->severity == GPR_LOG_SEVERITY_ERROR) {
    LogWarning(Subsystem::kFront, "gRPC", fields);
  } else {
    LogDebug(Subsystem::kFront, "gRPC", fields);
  }
}

void OnProtobufLog(google::protobuf::LogLevel level, const char* file, int line,
                   const std::string& message) {
  const LogField fields[] = {{"says", message}, {"file", file}, {"line", int64_t{line}}};
  if (level == google::protobuf::LOGLEVEL_FATAL) {
    LogError(Subsystem::kFront, kLastWords, fields);
  } else if (level >= google::protobuf::LOGLEVEL_WARNING) {
    LogWarning(Subsystem::kFront, "Protocol Buffers", fields);
  } else {
    LogDebug(Subsystem::kFront, "Protocol Buffers", fields);
  }
}

}  // namespace

void LogForLibraries() {
  gpr_set_log_function(OnGrpcLog);
  google::protobuf::SetLogHandler(OnProtobufLog);
}

}  // namespace holdfast
