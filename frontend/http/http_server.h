// The HTTP server beside the gRPC one: a few pages for probes, Prometheus and people.
#ifndef HOLDFAST_FRONTEND_HTTP_HTTP_SERVER_H_
#define HOLDFAST_FRONTEND_HTTP_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct mg_connection;
struct mg_context;

namespace holdfast {

struct HttpRequest {
  std::string path;   // Decoded, as "/readyz".
  std::string query;  // As it came, without the question mark.

  // Of the query, decoded; empty: there is none of that name.
  std::string Parameter(absl::string_view name) const;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  // Beside those that each reply has.
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct HttpPage {
  std::string path;   // The whole of it, as "/readyz".
  std::string about;  // In a few words, for the list that "/" shows.
  // On any of the server's threads, on several at once. Whatever it asks outlives the server.
  std::function<HttpReply(const HttpRequest&)> answer;
};

// Serves GET and HEAD of its pages, and nothing else. Thread-compatible; has threads of its own,
// one that accepts and kThreads that answer.
class HttpServer {
 public:
  // Each connection has a thread until it is answered, and those who never ask have it for two
  // seconds: enough that a dozen of them do not keep a probe waiting. Idle ones cost next to
  // nothing.
  static constexpr int kThreads = 16;

  // On `listen`, HOST:PORT, where HOST has an IPv4 address and port 0 leaves it to the system.
  // Errors are about the flag --metrics_listen.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& listen,
                                                           std::vector<HttpPage> pages);
  // Waits for pages that are being answered, which are not sent any more, and two seconds at most
  // for clients that are slow to ask or to listen.
  ~HttpServer();

  int port() const { return port_; }

 private:
  HttpServer(std::string host, std::vector<HttpPage> pages);

  static int OnRequest(mg_connection* connection);
  HttpReply Answer(absl::string_view method, const HttpRequest& request) const;
  // What there is, as text.
  std::string ListPages() const;

  const std::string host_;
  const std::vector<HttpPage> pages_;
  mg_context* context_ = nullptr;
  int port_ = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HTTP_HTTP_SERVER_H_
