#include "frontend/logging/log_format.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/optional.h"
#include "common/utf8.h"

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kLevelWidth = 7;
constexpr int kSubsystemWidth = 13;

std::string TimeText(absl::Time time) {
  static const absl::TimeZone zone = absl::LocalTimeZone();
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3S%Ez", time, zone);
}

// ---- Text ----

// A terminal may obey it.
bool IsControl(char32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0) || IsFormatCharacter(c); }

// With a backslash before what is in `special`, and instead of what is no printable UTF-8.
std::string Escape(absl::string_view text, absl::string_view special = "") {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const absl::string_view rest = text;
    const absl::optional<char32_t> character = TakeCharacter(&text);
    const absl::string_view bytes = rest.substr(0, rest.size() - text.size());
    if (character == U'\n') {
      escaped += "\\n";
    } else if (!character.has_value() || (IsControl(*character) && character != U'\t')) {
      for (const char byte : bytes) absl::StrAppendFormat(&escaped, "\\x%02x", byte & 0xff);
    } else {
      if (absl::StrContains(special, bytes)) escaped += '\\';
      absl::StrAppend(&escaped, bytes);
    }
  }
  return escaped;
}

std::string Quote(absl::string_view text) {
  const bool is_plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isgraph(c) && c != '"' && c != '\\' && c != '=';
  });
  return is_plain ? std::string(text) : absl::StrCat("\"", Escape(text, "\"\\"), "\"");
}

// Nobody needs all nine digits after the point.
absl::Duration Round(absl::Duration duration) {
  const absl::Duration size = absl::AbsDuration(duration);
  return absl::Trunc(duration, size >= absl::Seconds(1)        ? absl::Milliseconds(1)
                               : size >= absl::Milliseconds(1) ? absl::Microseconds(1)
                                                               : absl::Nanoseconds(1));
}

struct ToText {
  std::string operator()(absl::string_view value) const { return Quote(value); }
  std::string operator()(int64_t value) const { return absl::StrCat(value); }
  std::string operator()(uint64_t value) const { return absl::StrCat(value); }
  std::string operator()(double value) const { return absl::StrCat(value); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(absl::Duration value) const { return absl::FormatDuration(Round(value)); }
  std::string operator()(LogField::Id value) const { return absl::StrCat(value.value); }
  std::string operator()(LogField::Record value) const { return Quote(value.text); }
};

std::string FormatText(const LogLine& line) {
  std::string text =
      absl::StrFormat("%s %-*s %-*s %s", TimeText(line.time), kLevelWidth, LogLevelName(line.level),
                      kSubsystemWidth, SubsystemName(line.subsystem), Escape(line.message));
  for (const LogField& field : line.fields) {
    absl::StrAppend(&text, " ", field.name(), "=", absl::visit(ToText(), field.value()));
  }
  return text;
}

// ---- JSON ----

struct ToJson {
  Json operator()(absl::string_view value) const { return std::string(value); }
  Json operator()(int64_t value) const { return value; }
  Json operator()(uint64_t value) const { return value; }
  Json operator()(double value) const { return value; }
  Json operator()(bool value) const { return value; }
  Json operator()(absl::Duration value) const { return absl::ToDoubleSeconds(value); }
  Json operator()(LogField::Id value) const { return absl::StrCat(value.value); }
  Json operator()(LogField::Record value) const {
    google::protobuf::util::JsonPrintOptions options;
    options.always_print_primitive_fields = true;
    options.preserve_proto_field_names = true;
    std::string text;
    const auto status = google::protobuf::util::MessageToJsonString(*value.message, &text, options);
    Json json = status.ok() ? Json::parse(text, nullptr, /*allow_exceptions=*/false)
                            : Json(Json::value_t::discarded);
    if (json.is_discarded()) json = std::string(value.text);
    return json;
  }
};

// ASCII only, so that there are no control characters either. What is not UTF-8 is replaced.
std::string Dump(const Json& json) {
  return json.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

std::string FormatJson(const LogLine& line) {
  Json json = {{"time", TimeText(line.time)},
               {"level", std::string(LogLevelName(line.level))},
               {"subsystem", std::string(SubsystemName(line.subsystem))},
               {"message", std::string(line.message)}};
  for (const LogField& field : line.fields) {
    json[std::string(field.name())] = absl::visit(ToJson(), field.value());
  }
  return Dump(json);
}

}  // namespace

std::string FormatLine(LogFormat format, const LogLine& line) {
  return format == LogFormat::kJson ? FormatJson(line) : FormatText(line);
}

std::string FormatWorkerLine(LogFormat format, const WorkerLine& line) {
  if (format == LogFormat::kJson) {
    return Dump(Json{{"time", TimeText(line.time)},
                     {"worker", line.worker},
                     {"stream", std::string(line.stream)},
                     {"text", std::string(line.text)}});
  }
  return absl::StrCat(TimeText(line.time), " worker ", line.worker, " ", line.stream, ": ",
                      Escape(line.text));
}

}  // namespace holdfast
