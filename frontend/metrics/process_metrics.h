// What Prometheus's client libraries by convention say of their own process.
#ifndef HOLDFAST_FRONTEND_METRICS_PROCESS_METRICS_H_
#define HOLDFAST_FRONTEND_METRICS_PROCESS_METRICS_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <vector>

namespace holdfast {

// Thread-safe. Reads /proc at each scrape.
class ProcessMetrics : public prometheus::Collectable {
 public:
  ProcessMetrics();

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const double start_time_seconds_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_METRICS_PROCESS_METRICS_H_
