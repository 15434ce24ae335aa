// How gRPC is set up at both ends of the link between the front and a worker.
#ifndef HOLDFAST_COMMON_LINK_ARGUMENTS_H_
#define HOLDFAST_COMMON_LINK_ARGUMENTS_H_

#include <grpc/grpc.h>

#include <climits>

namespace holdfast {

struct ChannelArgument {
  const char* name;
  int value;
};

inline constexpr ChannelArgument kLinkArguments[] = {
    // Each message would set the timer anew, for 3 % of a step; the end of a link is seen without.
    {GRPC_ARG_KEEPALIVE_TIME_MS, INT_MAX},
    // Large messages need not wait for leave, in frames of 16 KiB each: the front bounds what is
    // under way. Half of what it executes for a reply of 4 MiB.
    {GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 8 << 20},
    {GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 4 << 20},
    {GRPC_ARG_HTTP2_BDP_PROBE, 0},
};

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_LINK_ARGUMENTS_H_
