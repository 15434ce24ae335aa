// The system headers, generated ones too, that our files include most: check_style.sh has them
// parsed once for all files. One that is missing here costs time only.
#ifndef HOLDFAST_DEPLOY_TIDY_SYSTEM_HEADERS_H_
#define HOLDFAST_DEPLOY_TIDY_SYSTEM_HEADERS_H_

#include <absl/container/flat_hash_map.h>
#include <absl/flags/flag.h>
#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/clock.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <llvm/IR/Module.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "proto/compiler_gym_service.grpc.pb.h"
#include "proto/crash_report.pb.h"
#include "proto/worker_control.grpc.pb.h"
#include "proto/worker_failure.pb.h"

#endif  // HOLDFAST_DEPLOY_TIDY_SYSTEM_HEADERS_H_
