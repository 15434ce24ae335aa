// Which of gRPC's plugins a server has. A plugin that is linked into a program, or initialised by
// it, is in each server that the program makes, unless that server says otherwise.
#ifndef HOLDFAST_COMMON_SERVER_PLUGINS_H_
#define HOLDFAST_COMMON_SERVER_PLUGINS_H_

#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace holdfast {

// By these names gRPC knows them.
inline constexpr char kReflectionPlugin[] = "proto_server_reflection";
inline constexpr char kChannelzPlugin[] = "channelz_service";

// For ServerBuilder::SetOption(): only the plugins of these names, where the program has them.
class OnlyPlugins final : public grpc::ServerBuilderOption {
 public:
  explicit OnlyPlugins(std::vector<std::string> names) : names_(std::move(names)) {}

  void UpdateArguments(grpc::ChannelArguments* /*arguments*/) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    const auto is_unwanted = [this](const std::unique_ptr<grpc::ServerBuilderPlugin>& plugin) {
      return std::find(names_.begin(), names_.end(), plugin->name()) == names_.end();
    };
    plugins->erase(std::remove_if(plugins->begin(), plugins->end(), is_unwanted), plugins->end());
  }

 private:
  const std::vector<std::string> names_;
};

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_SERVER_PLUGINS_H_
