#include "worker/llvm/ir_lexer.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace holdfast::llvm_session {
namespace {

constexpr struct {
  char character;
  IrForm form;
} kPunctuation[] = {
    {'=', IrForm::kEqual},   {',', IrForm::kComma},   {'*', IrForm::kStar},
    {'[', IrForm::kLSquare}, {']', IrForm::kRSquare}, {'{', IrForm::kLBrace},
    {'}', IrForm::kRBrace},  {'<', IrForm::kLess},    {'>', IrForm::kGreater},
    {'(', IrForm::kLParen},  {')', IrForm::kRParen},  {'|', IrForm::kBar},
    {':', IrForm::kColon},
};

// Words that are known by how they begin.
constexpr struct {
  absl::string_view prefix;
  IrForm form;
} kPrefixes[] = {
    {"DW_TAG_", IrForm::kDwarfTag},
    {"DW_ATE_", IrForm::kDwarfAttEncoding},
    {"DW_VIRTUALITY_", IrForm::kDwarfVirtuality},
    {"DW_LANG_", IrForm::kDwarfLang},
    {"DW_CC_", IrForm::kDwarfCc},
    {"DW_OP_", IrForm::kDwarfOp},
    {"DW_MACINFO_", IrForm::kDwarfMacinfo},
    {"DIFlag", IrForm::kDiFlag},
    {"DISPFlag", IrForm::kDispFlag},
    {"CSK_", IrForm::kChecksumKind},
};

bool IsDigit(char c) { return absl::ascii_isdigit(c); }
bool IsHexDigit(char c) { return absl::ascii_isxdigit(c); }
bool IsWordChar(char c) { return absl::ascii_isalnum(c) || c == '_'; }
bool IsNameChar(char c) { return IsWordChar(c) || c == '-' || c == '$' || c == '.'; }
bool IsMetadataNameChar(char c) { return IsNameChar(c) || c == '\\'; }
bool IsSpace(char c) { return absl::ascii_isspace(c) || c == '\0'; }

class Lexer {
 public:
  explicit Lexer(absl::string_view text) : text_(text) {}

  std::vector<IrToken> Run() {
    std::vector<IrToken> tokens;
    for (SkipSpace(); position_ < text_.size(); SkipSpace()) {
      begin_ = position_++;
      const IrTokenKind& kind = Lex(text_[begin_]);
      tokens.push_back({&kind, Value()});
    }
    return tokens;
  }

 private:
  // All of these start behind the first character of a token and go behind its last one.

  const IrTokenKind& Lex(char first) {
    switch (first) {
      case '@':
        return Variable(IrForm::kGlobalVar, IrForm::kGlobalId);
      case '%':
        return Variable(IrForm::kLocalVar, IrForm::kLocalVarId);
      case '$':
        return SkipLabel() ? KindOf(IrForm::kLabelStr)
                           : Variable(IrForm::kComdatVar, IrForm::kError);
      case '#':
        return KindOf(Skip(IsDigit) ? IrForm::kAttrGrpId : IrForm::kHash);
      case '^':
        return KindOf(Skip(IsDigit) ? IrForm::kSummaryId : IrForm::kError);
      case '!':
        return KindOf(!IsDigit(At(0)) && Skip(IsMetadataNameChar) ? IrForm::kMetadataVar
                                                                  : IrForm::kExclaim);
      case '"':
        return String();
      case '.':
        return Dots();
      case '+':
      case '-':
        return Signed();
      default:
        break;
    }
    if (IsDigit(first)) return Number();
    if (IsWordChar(first)) return Word();
    for (const auto& [character, form] : kPunctuation) {
      if (character != first) continue;
      if (form == IrForm::kRParen) colons_end_words_ = true;
      return KindOf(form);
    }
    return KindOf(IrForm::kError);
  }

  const IrTokenKind& Variable(IrForm named, IrForm numbered) {
    if (At(0) == '"') {
      ++position_;
      return KindOf(SkipString() ? named : IrForm::kError);
    }
    if (Skip(IsDigit)) return KindOf(numbered);
    return KindOf(Skip(IsNameChar) ? named : IrForm::kError);
  }

  const IrTokenKind& String() {
    if (!SkipString()) return KindOf(IrForm::kError);
    return KindOf(SkipIf(':') ? IrForm::kLabelStr : IrForm::kStringConstant);
  }

  const IrTokenKind& Dots() {
    if (SkipLabel()) return KindOf(IrForm::kLabelStr);
    return KindOf(SkipIf('.') && SkipIf('.') ? IrForm::kDotDotDot : IrForm::kError);
  }

  const IrTokenKind& Signed() {
    if (IsDigit(At(0))) return Number();
    return KindOf(text_[begin_] == '-' && SkipLabel() ? IrForm::kLabelStr : IrForm::kError);
  }

  const IrTokenKind& Number() {
    Skip(IsDigit);
    const bool is_signed = !IsDigit(text_[begin_]);
    if (!is_signed && SkipIf(':')) return KindOf(IrForm::kLabelId);
    if (SkipLabel()) return KindOf(IrForm::kLabelStr);
    if (SkipIf('.')) return Fraction();
    if (Value() == "0" && At(0) == 'x') return Hexadecimal();
    return KindOf(IrForm::kApsInt);
  }

  const IrTokenKind& Fraction() {
    Skip(IsDigit);
    const bool has_sign = At(1) == '+' || At(1) == '-';
    if ((At(0) == 'e' || At(0) == 'E') && IsDigit(At(has_sign ? 2 : 1))) {
      position_ += has_sign ? 2 : 1;
      Skip(IsDigit);
    }
    return KindOf(IrForm::kApFloat);
  }

  // The bits of a floating-point number; a letter says which type it has.
  const IrTokenKind& Hexadecimal() {
    ++position_;
    if (absl::StrContains("KLMHR", At(0))) ++position_;
    return KindOf(Skip(IsHexDigit) ? IrForm::kApFloat : IrForm::kError);
  }

  const IrTokenKind& Word() {
    if (colons_end_words_ && SkipLabel()) return KindOf(IrForm::kLabelStr);
    const char first = text_[begin_];
    if (first == 'i' && Skip(IsDigit)) return KindOf(IrForm::kIntegerType);
    if ((first == 'u' || first == 's') && At(0) == '0' && At(1) == 'x' && IsHexDigit(At(2))) {
      position_ += 2;
      Skip(IsHexDigit);
      return KindOf(IrForm::kApsInt);
    }
    Skip(IsWordChar);
    const absl::string_view word = Value();
    if (word == "memory") colons_end_words_ = false;
    const IrTokenKind& kind = KindOfWord(word);
    if (&kind != &KindOf(IrForm::kError)) return kind;
    for (const auto& [prefix, form] : kPrefixes) {
      if (absl::StartsWith(word, prefix)) return KindOf(form);
    }
    if (absl::StartsWith(word, "cc") && IsDigit(word.substr(2)[0])) {  // A numbered convention.
      position_ = begin_ + 2;
      return KindOfWord("cc");
    }
    return kind;
  }

  // Skips what makes a label of the token, if it is one.
  bool SkipLabel() {
    if (position_ < no_label_until_) return false;
    size_t end = position_;
    while (end < text_.size() && IsNameChar(text_[end])) ++end;
    if (end == text_.size() || text_[end] != ':') {
      no_label_until_ = end;
      return false;
    }
    position_ = end + 1;
    return true;
  }

  // Skips the rest of a string; to the end of the text, if that has no end.
  bool SkipString() {
    const size_t quote = text_.find('"', position_);
    position_ = std::min(quote, text_.size() - 1) + 1;
    return quote != absl::string_view::npos;
  }

  void SkipSpace() {
    while (position_ < text_.size() && (IsSpace(text_[position_]) || text_[position_] == ';')) {
      if (text_[position_] == ';')
        position_ = std::min(text_.find('\n', position_), text_.size());
      else
        ++position_;
    }
  }

  bool SkipIf(char c) {
    if (At(0) != c) return false;
    ++position_;
    return true;
  }

  // Returns whether there was any.
  bool Skip(bool (*is_one)(char)) {
    const size_t from = position_;
    while (position_ < text_.size() && is_one(text_[position_])) ++position_;
    return position_ > from;
  }

  // What follows; a space beyond the end.
  char At(size_t offset) const {
    return position_ + offset < text_.size() ? text_[position_ + offset] : ' ';
  }

  absl::string_view Value() const { return text_.substr(begin_, position_ - begin_); }

  const absl::string_view text_;
  size_t position_ = 0;
  size_t begin_ = 0;           // Of the token.
  size_t no_label_until_ = 0;  // Of what was looked at: no character is looked at twice for that.
  // False within memory(...), where "argmem: read" is three tokens; elsewhere "line: 1" is two.
  bool colons_end_words_ = true;
};

}  // namespace

std::vector<IrToken> LexIr(absl::string_view text) { return Lexer(text).Run(); }

}  // namespace holdfast::llvm_session
