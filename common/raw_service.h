// The public service with every method's request and reply as raw bytes.
#ifndef HOLDFAST_COMMON_RAW_SERVICE_H_
#define HOLDFAST_COMMON_RAW_SERVICE_H_

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <utility>

#include "common/unary_server.h"
#include "proto/compiler_gym_service.grpc.pb.h"

namespace holdfast {

using RawCompilerGymService = compiler_gym::CompilerGymService::WithRawMethod_GetVersion<
    compiler_gym::CompilerGymService::WithRawMethod_GetSpaces<
        compiler_gym::CompilerGymService::WithRawMethod_StartSession<
            compiler_gym::CompilerGymService::WithRawMethod_ForkSession<
                compiler_gym::CompilerGymService::WithRawMethod_EndSession<
                    compiler_gym::CompilerGymService::WithRawMethod_Step<
                        compiler_gym::CompilerGymService::WithRawMethod_AddBenchmark<
                            compiler_gym::CompilerGymService::WithRawMethod_SendSessionParameter<
                                compiler_gym::CompilerGymService::Service>>>>>>>>;

// Makes a method for UnaryServer::Serve() out of a generated Request… function of `service`. Both
// `service` and `queue` must outlive the server.
template <typename Service>
UnaryServer::Method BindMethod(
    const char* name, Service* service, grpc::ServerCompletionQueue* queue,
    void (Service::*request)(grpc::ServerContext*, grpc::ByteBuffer*,
                             grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>*,
                             grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
    std::function<void(std::shared_ptr<UnaryCall>)> handle) {
  return {name,
          [=](grpc::ServerContext* context, grpc::ByteBuffer* bytes,
              grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>* responder,
              void* tag) { (service->*request)(context, bytes, responder, queue, queue, tag); },
          std::move(handle)};
}

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_RAW_SERVICE_H_
