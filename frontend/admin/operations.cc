#include "frontend/admin/operations.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "frontend/admin/status_page.h"
#include "frontend/health/probes.h"
#include "frontend/logging/log.h"

namespace holdfast {
namespace {

StatusCollector::Sources Complete(StatusCollector::Sources sources,
                                  const Operations::Service& service, LoopCaller* loop) {
  sources.mechanisms = service.spawner->mechanisms();
  sources.pool = service.pool;
  sources.loop = loop;
  return sources;
}

AdminService::Dependencies MakeDependencies(const Operations::Service& service,
                                            const StatusCollector::Sources& sources,
                                            const StatusCollector* status) {
  AdminService::Dependencies dependencies;
  dependencies.status = status;
  dependencies.metrics = sources.metrics;
  dependencies.table = sources.table;
  dependencies.loop = sources.loop;
  dependencies.pool = service.pool;
  dependencies.drain = service.drain;
  dependencies.log_file = absl::StrCat(service.directory->logs(), "/holdfast.log");
  return dependencies;
}

}  // namespace

Operations::Operations(const Service& service, StatusCollector::Sources sources)
    : service_(service),
      sources_(Complete(std::move(sources), service, &loop_caller_)),
      loop_caller_(
          [loop = service.loop](absl::AnyInvocable<void()> work) { loop->Post(std::move(work)); }),
      status_(sources_),
      admin_service_(MakeDependencies(service, sources_, &status_)) {}

absl::Status Operations::ServePages() {
  const Options& options = *sources_.options;
  if (options.metrics_listen.empty()) return absl::OkStatus();
  std::vector<HttpPage> pages = {
      {"/metrics", "for Prometheus",
       [this](const HttpRequest& /*request*/) {
         return HttpReply{200, "text/plain; version=0.0.4; charset=utf-8",
                          sources_.metrics->Text()};
       }},
      HealthzPage(service_.liveness),
      ReadyzPage(sources_.readiness),
  };
  if (options.status_page) {
    for (HttpPage& page : StatusPages([this] { return status_.Collect({}); })) {
      pages.push_back(std::move(page));
    }
  }
  absl::StatusOr<std::unique_ptr<HttpServer>> server =
      HttpServer::Start(options.metrics_listen, std::move(pages));
  if (!server.ok()) return server.status();
  http_ = *std::move(server);
  return absl::OkStatus();
}

absl::Status Operations::ServeAdmin() {
  const std::string& asked_for = sources_.options->admin_socket;
  if (asked_for == "none") return absl::OkStatus();
  const std::string path =
      asked_for.empty() ? absl::StrCat(service_.directory->path(), "/admin.sock") : asked_for;
  absl::StatusOr<std::unique_ptr<AdminServer>> server =
      AdminServer::Start(service_.loop, path, &admin_service_);
  if (server.ok()) {
    server_ = *std::move(server);
    return service_.spawner->RemoveAtEnd(path);
  }
  if (!asked_for.empty()) return server.status();
  LogWarning(Subsystem::kAdmin, "operators cannot ask this service",
             {{"why", server.status().message()}});
  return absl::OkStatus();
}

void Operations::Shutdown() {
  if (server_ != nullptr) server_->Shutdown();
  http_.reset();
}

}  // namespace holdfast
