// The floor of any service: a process that reads requests from a socket and writes replies, all of
// given sizes, and does nothing else.
//
//   ping_pong_peer SOCKET REQUEST_BYTES REPLY_BYTES [REQUEST_BYTES REPLY_BYTES ...]
#include <sys/socket.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"

namespace holdfast {
namespace {

int Serve(int socket, const std::vector<int>& sizes) {
  std::string buffer(*std::max_element(sizes.begin(), sizes.end()), '\0');
  while (true) {
    for (size_t i = 0; i + 1 < sizes.size(); i += 2) {
      if (recv(socket, buffer.data(), sizes[i], MSG_WAITALL) != sizes[i]) return 0;
      if (send(socket, buffer.data(), sizes[i + 1], MSG_NOSIGNAL) != sizes[i + 1]) return 0;
    }
  }
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  std::vector<int> numbers;
  for (int i = 1; i < argc; ++i) {
    int number = 0;
    if (absl::SimpleAtoi(argv[i], &number)) numbers.push_back(number);
  }
  if (argc < 4 || argc % 2 != 0 || numbers.size() + 1 != static_cast<size_t>(argc)) {
    std::cerr << "ERROR: the arguments must be a socket and pairs of sizes" << std::endl;
    return 1;
  }
  return holdfast::Serve(numbers.front(), {numbers.begin() + 1, numbers.end()});
}
