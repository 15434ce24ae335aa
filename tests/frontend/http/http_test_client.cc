#include "tests/frontend/http/http_test_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace holdfast {

UniqueFd ConnectToPort(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) fd.reset();
  return fd;
}

std::string HttpAnswer::Header(absl::string_view name) const {
  for (absl::string_view line : absl::StrSplit(head, "\r\n")) {
    if (absl::ConsumePrefix(&line, name) && absl::ConsumePrefix(&line, ": ")) {
      return std::string(line);
    }
  }
  return "";
}

HttpAnswer ReadAnswer(const UniqueFd& connection) {
  std::string bytes;
  char buffer[65536];
  for (ssize_t n; (n = read(connection.get(), buffer, sizeof(buffer))) > 0;) {
    bytes.append(buffer, n);
  }
  HttpAnswer answer;
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string::npos) return answer;
  answer.head = bytes.substr(0, end);
  answer.body = bytes.substr(end + 4);
  absl::string_view status = answer.head;
  if (absl::ConsumePrefix(&status, "HTTP/1.1 ")) {
    (void)absl::SimpleAtoi(status.substr(0, 3), &answer.status);
  }
  return answer;
}

HttpAnswer HttpCall(int port, absl::string_view method, absl::string_view target) {
  const UniqueFd connection = ConnectToPort(port);
  if (!connection) return {};
  const std::string request =
      absl::StrCat(method, " ", target, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  if (write(connection.get(), request.data(), request.size()) !=
      static_cast<ssize_t>(request.size())) {
    return {};
  }
  return ReadAnswer(connection);
}

}  // namespace holdfast
