// Serves /metrics over HTTP.
#ifndef HOLDFAST_FRONTEND_METRICS_METRICS_SERVER_H_
#define HOLDFAST_FRONTEND_METRICS_METRICS_SERVER_H_

#include <prometheus/collectable.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace prometheus {
class Exposer;
}  // namespace prometheus

namespace holdfast {

// Thread-compatible. Two threads of its own serve, and ask `source` at each scrape.
class MetricsServer {
 public:
  // On `listen`, HOST:PORT, where port 0 leaves it to the system. Errors are about the flag
  // --metrics_listen. `source` outlives the server.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(
      const std::string& listen, const prometheus::Collectable* source);
  // Waits for a scrape under way.
  ~MetricsServer();

  int port() const { return port_; }

 private:
  MetricsServer(std::string host, std::shared_ptr<prometheus::Collectable> source,
                std::unique_ptr<prometheus::Exposer> exposer);

  const std::string host_;
  const std::shared_ptr<prometheus::Collectable> source_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  const int port_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_METRICS_METRICS_SERVER_H_
