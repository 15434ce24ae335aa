#include "frontend/http/http_server.h"

#include <civetweb.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "common/unique_fd.h"
#include "frontend/logging/log.h"

namespace holdfast {
namespace {

// Pages tell the state of this moment, and are what they say they are.
constexpr char kCommonHeaders[] =
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Connection: close\r\n";

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

// The web server is built without IPv6, and says of such addresses, as of unknown names, only that
// they are wrong.
bool IsKnown(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  addrinfo* address = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &address) != 0) return false;
  freeaddrinfo(address);
  return true;
}

// The first message of the web server that this thread starts: only here is it to be learnt why it
// cannot be started.
thread_local std::string server_message;

int OnServerMessage(const mg_connection* /*connection*/, const char* message) {
  if (server_message.empty()) server_message = message;
  LogDebug(Subsystem::kHttp, "web server", {{"says", message}});
  return 1;  // It is dealt with.
}

// Connects to a server for a moment, if it can.
void Touch(const std::string& host, int port) {
  addrinfo* address = nullptr;
  if (getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), nullptr, &address) != 0) return;
  const UniqueFd fd(
      socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  connect(fd.get(), address->ai_addr, address->ai_addrlen);
  freeaddrinfo(address);
}

}  // namespace

std::string HttpRequest::Parameter(absl::string_view name) const {
  std::string value(query.size() + 1, '\0');
  const int size =
      mg_get_var(query.data(), query.size(), std::string(name).c_str(), value.data(), value.size());
  value.resize(std::max(size, 0));
  return value;
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& listen,
                                                              std::vector<HttpPage> pages) {
  const std::string flag = absl::StrCat("--metrics_listen=", listen, ": ");
  std::string host = ParseHost(listen);
  if (host.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(flag, "must be HOST:PORT, as 127.0.0.1:0"));
  }
  if (!IsKnown(host)) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, "HOST must be an IPv4 address, or a name that has one"));
  }
  auto server = absl::WrapUnique(new HttpServer(std::move(host), std::move(pages)));
  mg_callbacks callbacks = {};
  // Before all that the web server would do by itself: it finds no files, runs no programs.
  callbacks.begin_request = OnRequest;
  callbacks.log_message = OnServerMessage;
  const std::string threads = absl::StrCat(kThreads);
  // Who is slow to ask or to listen is dropped after a while.
  const char* options[] = {"listening_ports",    listen.c_str(), "num_threads", threads.c_str(),
                           "request_timeout_ms", "2000",         nullptr};
  server_message.clear();
  server->context_ = mg_start(&callbacks, server.get(), options);
  if (server->context_ == nullptr) {
    return absl::UnavailableError(
        absl::StrCat(flag, server_message.empty() ? "cannot listen" : server_message));
  }
  mg_server_port port = {};
  mg_get_server_ports(server->context_, 1, &port);
  server->port_ = port.port;
  return server;
}

HttpServer::HttpServer(std::string host, std::vector<HttpPage> pages)
    : host_(std::move(host)), pages_(std::move(pages)) {}

HttpServer::~HttpServer() {
  if (context_ == nullptr) return;
  // The web server sees that it shall end after two seconds at the latest, or when it is connected
  // to.
  absl::Notification ended;
  std::thread stopper([this, &ended] {
    mg_stop(context_);
    ended.Notify();
  });
  do {
    Touch(host_, port_);
  } while (!ended.WaitForNotificationWithTimeout(absl::Milliseconds(5)));
  stopper.join();
}

int HttpServer::OnRequest(mg_connection* connection) {
  const mg_request_info& info = *mg_get_request_info(connection);
  const absl::string_view method = info.request_method;
  const HttpRequest request = {info.local_uri,
                               info.query_string == nullptr ? "" : info.query_string};
  const HttpReply reply = static_cast<HttpServer*>(info.user_data)->Answer(method, request);
  std::string bytes = absl::StrCat(
      "HTTP/1.1 ", reply.status, " ", mg_get_response_code_text(connection, reply.status), "\r\n",
      "Content-Type: ", reply.content_type, "\r\nContent-Length: ", reply.body.size(), "\r\n",
      kCommonHeaders);
  for (const auto& [name, value] : reply.headers)
    absl::StrAppend(&bytes, name, ": ", value, "\r\n");
  absl::StrAppend(&bytes, "\r\n", method == "HEAD" ? "" : reply.body);
  mg_write(connection, bytes.data(), bytes.size());
  return reply.status;  // It is answered.
}

HttpReply HttpServer::Answer(absl::string_view method, const HttpRequest& request) const {
  const auto page = std::find_if(pages_.begin(), pages_.end(),
                                 [&](const HttpPage& p) { return p.path == request.path; });
  HttpReply reply;
  if (page == pages_.end() && request.path != "/") {
    reply.status = 404;
    reply.body = absl::StrCat("There is no such page. There are:\n", ListPages());
  } else if (method != "GET" && method != "HEAD") {
    reply.status = 405;
    reply.body = "Only GET and HEAD are served.\n";
    reply.headers = {{"Allow", "GET, HEAD"}};
  } else {
    if (page != pages_.end()) return page->answer(request);
    reply.body = ListPages();
  }
  return reply;
}

std::string HttpServer::ListPages() const {
  std::string list;
  for (const HttpPage& page : pages_) absl::StrAppend(&list, page.path, "  ", page.about, "\n");
  return list;
}

}  // namespace holdfast
