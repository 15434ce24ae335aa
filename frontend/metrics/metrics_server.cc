#include "frontend/metrics/metrics_server.h"

#include <CivetServer.h>
#include <netdb.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>
#include <sys/socket.h>

#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "common/unique_fd.h"
#include "frontend/logging/log.h"

namespace holdfast {
namespace {

// The host of HOST:PORT, or an empty string. The web server understands more, as lists of ports and
// TLS: not what is meant here.
std::string ParseHost(absl::string_view listen) {
  const size_t colon = listen.rfind(':');
  if (colon == absl::string_view::npos) return "";
  const absl::string_view port = listen.substr(colon + 1);
  int number = 0;
  const bool is_valid = listen.find_first_of(", \t") == absl::string_view::npos &&
                        port.find_first_not_of("0123456789") == absl::string_view::npos &&
                        absl::SimpleAtoi(port, &number) && number <= 65535;
  return is_valid ? std::string(listen.substr(0, colon)) : "";
}

// The first message of the web server that this thread starts: only here is it to be learnt why it
// cannot be started.
thread_local std::string server_message;

int OnServerMessage(const mg_connection* connection, const char* message) {
  if (server_message.empty()) server_message = message;
  LogDebug("metrics server: ", message);
  return 1;  // It is dealt with.
}

class Source : public prometheus::Collectable {
 public:
  explicit Source(const prometheus::Collectable* source) : source_(source) {}
  std::vector<prometheus::MetricFamily> Collect() const override { return source_->Collect(); }

 private:
  const prometheus::Collectable* const source_;
};

// Connects to a server for a moment, if it can.
void Touch(absl::string_view host, int port) {
  absl::ConsumePrefix(&host, "[");
  absl::ConsumeSuffix(&host, "]");
  addrinfo* address = nullptr;
  if (getaddrinfo(std::string(host).c_str(), absl::StrCat(port).c_str(), nullptr, &address) != 0) {
    return;
  }
  const UniqueFd fd(
      socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  connect(fd.get(), address->ai_addr, address->ai_addrlen);
  freeaddrinfo(address);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& listen, const prometheus::Collectable* source) {
  const std::string flag = absl::StrCat("--metrics_listen=", listen, ": ");
  std::string host = ParseHost(listen);
  if (host.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(flag, "must be HOST:PORT, as 127.0.0.1:0"));
  }
  CivetCallbacks callbacks;
  callbacks.log_message = OnServerMessage;
  server_message.clear();
  // One thread accepts, one answers; who is slow to ask or to listen is dropped after a while.
  const std::vector<std::string> options = {"listening_ports",    listen, "num_threads", "1",
                                            "request_timeout_ms", "2000"};
  std::unique_ptr<prometheus::Exposer> exposer;
  try {
    exposer = absl::make_unique<prometheus::Exposer>(options, &callbacks);
  } catch (const std::exception& e) {
    return absl::UnavailableError(
        absl::StrCat(flag, server_message.empty() ? e.what() : server_message));
  }
  auto shared = std::make_shared<Source>(source);
  exposer->RegisterCollectable(shared);
  return absl::WrapUnique(
      new MetricsServer(std::move(host), std::move(shared), std::move(exposer)));
}

MetricsServer::MetricsServer(std::string host, std::shared_ptr<prometheus::Collectable> source,
                             std::unique_ptr<prometheus::Exposer> exposer)
    : host_(std::move(host)),
      source_(std::move(source)),
      exposer_(std::move(exposer)),
      port_(exposer_->GetListeningPorts().at(0)) {}

MetricsServer::~MetricsServer() {
  // The web server sees that it shall end after two seconds at the latest, or when it is connected
  // to.
  absl::Notification ended;
  std::thread stopper([this, &ended] {
    exposer_.reset();
    ended.Notify();
  });
  do {
    Touch(host_, port_);
  } while (!ended.WaitForNotificationWithTimeout(absl::Milliseconds(5)));
  stopper.join();
}

}  // namespace holdfast
