// What libraries have to say.
#ifndef HOLDFAST_FRONTEND_LOGGING_LIBRARY_LOG_H_
#define HOLDFAST_FRONTEND_LOGGING_LIBRARY_LOG_H_

namespace holdfast {

// From now on gRPC and Protocol Buffers log as the service does, with its format, levels and limit
// on repeats: clients can make them complain. By themselves they write to stderr, and wait for it.
void LogForLibraries();

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_LOGGING_LIBRARY_LOG_H_
