// Asks an HTTP server on loopback, byte by byte.
#ifndef HOLDFAST_TESTS_FRONTEND_HTTP_HTTP_TEST_CLIENT_H_
#define HOLDFAST_TESTS_FRONTEND_HTTP_HTTP_TEST_CLIENT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "common/unique_fd.h"

namespace holdfast {

// A connection to 127.0.0.1:PORT; none if it is refused.
UniqueFd ConnectToPort(int port);

struct HttpAnswer {
  int status = 0;  // 0: there was none, as the server is gone.
  std::string head;
  std::string body;

  // Of a header; empty: it is not there.
  std::string Header(absl::string_view name) const;
};
// Reads until the server closes the connection.
HttpAnswer ReadAnswer(const UniqueFd& connection);

// `target`: path and query.
HttpAnswer HttpCall(int port, absl::string_view method, absl::string_view target);
inline HttpAnswer HttpGet(int port, absl::string_view target) {
  return HttpCall(port, "GET", target);
}

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_FRONTEND_HTTP_HTTP_TEST_CLIENT_H_
