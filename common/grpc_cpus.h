// How many CPUs gRPC takes the machine to have.
#ifndef HOLDFAST_COMMON_GRPC_CPUS_H_
#define HOLDFAST_COMMON_GRPC_CPUS_H_

namespace holdfast {

// From now on at most `count`, 1 or more: gRPC sizes its thread pools by it, up to 32 threads each,
// and its tables. To be called before gRPC is used.
void LimitGrpcCpus(unsigned count);

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_GRPC_CPUS_H_
