#include "frontend/crash_reports/failure_site.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"

namespace holdfast {
namespace {

constexpr size_t kMaxTail = 4096;
constexpr size_t kMaxFrames = 4;
constexpr size_t kMaxText = 200;
// A binary that is linked at a fixed address lies below; what lies above is elsewhere in each
// process.
constexpr uint64_t kFixedAddresses = uint64_t{1} << 32;
constexpr absl::string_view kNoSymbol = "(unknown)";

struct Frame {
  bool is_pc = false;  // The line that starts a trace: where the signal struck.
  uint64_t address = 0;
  absl::string_view address_text;
  absl::string_view symbol;  // Empty: not known.
};

absl::string_view TakeWord(absl::string_view* text) {
  const absl::string_view stripped = absl::StripLeadingAsciiWhitespace(*text);
  const absl::string_view word = stripped.substr(0, stripped.find(' '));
  *text = absl::StripLeadingAsciiWhitespace(stripped.substr(word.size()));
  return word;
}

// "PC: @  0x4a8b10  symbol" and "    @  0x4a8b10  64  symbol": the third word is the frame's size.
// Sizes and symbols may be missing or "(unknown)".
absl::optional<Frame> ParseFrame(absl::string_view line) {
  Frame frame;
  line = absl::StripAsciiWhitespace(line);
  frame.is_pc = absl::ConsumePrefix(&line, "PC: ");
  if (TakeWord(&line) != "@") return absl::nullopt;
  frame.address_text = TakeWord(&line);
  if (!absl::StartsWith(frame.address_text, "0x") ||
      !absl::SimpleHexAtoi(frame.address_text, &frame.address)) {
    return absl::nullopt;
  }
  if (!frame.is_pc) TakeWord(&line);
  while (absl::ConsumePrefix(&line, kNoSymbol)) line = absl::StripLeadingAsciiWhitespace(line);
  frame.symbol = line;
  return frame;
}

// The same in every trace of its kind: how a signal is raised and handled.
bool TellsNothing(const Frame& frame) {
  static constexpr absl::string_view kSymbols[] = {"__restore_rt", "raise",        "gsignal",
                                                   "abort",        "pthread_kill", "__assert_fail"};
  return absl::StrContains(frame.symbol, "FailureSignalHandler") ||
         absl::c_linear_search(kSymbols, frame.symbol);
}

std::vector<std::string> Innermost(const std::vector<Frame>& trace) {
  auto first = trace.begin();
  if (first != trace.end() && first->is_pc) {
    // The handler's own frames come before the one that was interrupted. Without symbols only the
    // address tells.
    const auto interrupted = std::find_if(first + 1, trace.end(), [first](const Frame& frame) {
      return frame.address == first->address;
    });
    if (interrupted != trace.end()) first = interrupted;
  }
  std::vector<std::string> names;
  for (; first != trace.end() && names.size() < kMaxFrames; ++first) {
    if (TellsNothing(*first)) continue;
    if (!first->symbol.empty()) {
      names.emplace_back(first->symbol.substr(0, kMaxText));
    } else if (first->address < kFixedAddresses) {
      names.emplace_back(first->address_text);
    }
  }
  return names;
}

// "at 0x7f12, line 12" becomes "at #, line #".
std::string WithoutNumbers(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const bool is_hex = absl::ConsumePrefix(&text, "0x");
    const size_t size =
        std::find_if_not(text.begin(), text.end(),
                         [is_hex](unsigned char c) {
                           return is_hex ? absl::ascii_isxdigit(c) : absl::ascii_isdigit(c);
                         }) -
        text.begin();
    if (is_hex || size > 0) {
      out.push_back('#');
      text.remove_prefix(size);
    } else {
      out.push_back(text.front());
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> InnermostFrames(absl::string_view stderr_tail) {
  const std::string text = PrintableTail(stderr_tail);
  std::vector<Frame> trace;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (const absl::optional<Frame> frame = ParseFrame(line); frame.has_value()) {
      if (frame->is_pc) trace.clear();
      trace.push_back(*frame);
    }
  }
  return Innermost(trace);
}

std::vector<std::string> SpokenLines(absl::string_view stderr_tail) {
  const std::string text = PrintableTail(stderr_tail);
  std::vector<std::string> lines;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (ParseFrame(line).has_value() || absl::StartsWith(line, "***")) continue;
    if (std::none_of(line.begin(), line.end(), absl::ascii_isalpha)) continue;
    lines.emplace_back(absl::StripAsciiWhitespace(line));
  }
  return lines;
}

std::vector<std::string> FailureSite(absl::string_view stderr_tail) {
  std::vector<std::string> site = InnermostFrames(stderr_tail);
  if (!site.empty()) return site;
  const std::vector<std::string> lines = SpokenLines(stderr_tail);
  if (lines.empty()) return {};
  return {WithoutNumbers(absl::string_view(lines.back()).substr(0, kMaxText))};
}

std::string PrintableTail(absl::string_view text) {
  if (text.size() > kMaxTail) text.remove_prefix(text.size() - kMaxTail);
  std::string printable(text);
  for (char& c : printable) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c)) && c != '\n') c = '?';
  }
  return printable;
}

}  // namespace holdfast
