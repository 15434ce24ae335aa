// Times and durations between Abseil and protocol buffers.
#ifndef HOLDFAST_FRONTEND_ADMIN_PROTO_TIME_H_
#define HOLDFAST_FRONTEND_ADMIN_PROTO_TIME_H_

#include <google/protobuf/util/time_util.h>

#include "absl/time/time.h"

namespace holdfast {

inline google::protobuf::Timestamp ToProto(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

inline google::protobuf::Duration ToProto(absl::Duration duration) {
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(
      absl::ToInt64Nanoseconds(duration));
}

inline absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

inline absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_PROTO_TIME_H_
