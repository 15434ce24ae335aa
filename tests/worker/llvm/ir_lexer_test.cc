#include "worker/llvm/ir_lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "llvm/AsmParser/LLLexer.h"
#include "llvm/IR/Attributes.h"
#include "llvm/IR/Instruction.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include "tests/worker/llvm/varied_programs.h"

namespace holdfast::llvm_session {
namespace {

using testing::ElementsAre;

// What llvm-stress and C do not have.
constexpr char kRareText[] = R"(; a comment with "quotes"
source_filename = "a;b\22c"
module asm "nop ; no comment"
%pair = type <{ i8, [3 x { i16, ptr addrspace(1) }], opaque }>
$"any one" = comdat any
@"quoted name" = internal unnamed_addr constant [4 x i8] c"a\22;\00", comdat($"any one"), align 1
@0 = thread_local(initialexec) global half 0xH3C00
@1 = external global x86_fp80, !type !0
@alias.x = weak alias i32, ptr @-$._x
@2 = global <2 x bfloat> <bfloat 0xR3F80, bfloat 1.5e+2>
declare cc42 void @f(...) memory(argmem: readwrite, inaccessiblemem: none) #0
define x86_64_sysvcc fp128 @g(i32 range(i32 -5, 7) %0, ptr byval(%pair) align 8 %named) gc "x" {
"a label":
  %2 = tail call fast noundef nofpclass(nan inf) double @h(double -1.0, double 0x7FF8000000000000)
  br label %last-one
last-one:
  #dbg_value(i32 %0, !1, !DIExpression(DW_OP_plus_uconst, 4), !2)
  %3 = icmp ult i32 %0, u0x1F
  store atomic volatile i32 %0, ptr %named syncscope("agent") seq_cst, align 4
  ret fp128 0xL00000000000000003FFF000000000000, !prof !{!"weights", i32 1}
7:
  unreachable
}
attributes #0 = { nounwind "key"="value" allocsize(0) uwtable(sync) }
!named.node = !{!0, !1}
!0 = distinct !{!0, i64 -3, null}
!1 = !DILocalVariable(name: "x", line: 12, flags: DIFlagPrototyped | DIFlagArtificial)
!2 = !DISubprogram(spFlags: DISPFlagDefinition, cc: DW_CC_normal, virtuality: DW_VIRTUALITY_none)
!3 = !DICompileUnit(language: DW_LANG_C99, emissionKind: FullDebug, nameTableKind: None)
!4 = !DICompositeType(tag: DW_TAG_array_type, encoding: DW_ATE_signed, checksumkind: CSK_MD5)
^0 = module: (path: "", hash: (0, 1))
)";

std::map<std::string, std::string> MakeTexts() {
  std::map<std::string, std::string> texts{{"rare", kRareText}};
  for (const VariedProgram& program : VariedPrograms()) {
    llvm::raw_string_ostream stream(texts[program.name]);
    program.module->print(stream, nullptr);
  }
  return texts;
}

// By name.
const std::map<std::string, std::string>& Texts() {
  static const auto& texts = *new std::map<std::string, std::string>(MakeTexts());
  return texts;
}

// Without white space and comments, but for strings. A string has no quotes in it.
std::string Condensed(absl::string_view text) {
  std::string condensed;
  bool in_string = false;
  bool in_comment = false;
  for (const char c : text) {
    if (c == '"' && !in_comment) in_string = !in_string;
    if (c == ';' && !in_string) in_comment = true;
    if (c == '\n') in_comment = false;
    if (in_string || (!in_comment && !absl::ascii_isspace(c))) condensed += c;
  }
  return condensed;
}

TEST(IrLexer, LosesNothing) {
  for (const auto& [name, text] : Texts()) {
    std::string values;
    for (const IrToken& token : LexIr(text)) absl::StrAppend(&values, token.value);
    EXPECT_EQ(values, Condensed(text)) << name;
  }
}

TEST(IrLexer, KnowsEveryToken) {
  for (const auto& [name, text] : Texts()) {
    std::set<absl::string_view> unknown;
    for (const IrToken& token : LexIr(text)) {
      if (token.kind->category == "error") unknown.insert(token.value);
    }
    EXPECT_THAT(unknown, ElementsAre()) << name;
  }
}

TEST(IrLexer, AgreesWithTheLexerOfLlvm) {
  std::map<int, llvm::lltok::Kind> kinds_of_llvm;  // What each of ours is called there.
  for (const auto& [name, text] : Texts()) {
    const std::vector<IrToken> tokens = LexIr(text);
    llvm::SourceMgr manager;
    manager.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(text), llvm::SMLoc());
    llvm::SMDiagnostic error;
    llvm::LLVMContext context;
    llvm::LLLexer lexer(text, manager, error, context);
    for (const IrToken& token : tokens) {
      // The parser of LLVM switches this at the same places.
      if (token.kind->name == "kw_argmem" || token.kind->name == "kw_inaccessiblemem") {
        lexer.setIgnoreColonInIdentifiers(true);
      }
      const llvm::lltok::Kind kind = lexer.Lex();
      lexer.setIgnoreColonInIdentifiers(false);
      ASSERT_EQ(lexer.getLoc().getPointer() - text.data(), token.value.data() - text.data())
          << name << ": " << token.value << ", " << token.kind->name;
      ASSERT_EQ(kinds_of_llvm.try_emplace(token.kind->id, kind).first->second, kind)
          << name << ": " << token.value << ", " << token.kind->name;
    }
    EXPECT_EQ(lexer.Lex(), llvm::lltok::Eof) << name;
  }
  EXPECT_GT(kinds_of_llvm.size(), 150);
}

// The name of each token's kind.
std::string Kinds(absl::string_view text) {
  return absl::StrJoin(LexIr(text), " ", [](std::string* out, const IrToken& token) {
    absl::StrAppend(out, token.kind->name);
  });
}

TEST(IrLexer, TellsKindsByForm) {
  const std::pair<const char*, const char*> cases[] = {
      {"define i32 @f(ptr %0, ...)",
       "kw_define Type_iN GlobalVar lparen Type_ptr LocalVarID comma dotdotdot rparen"},
      {"@0 @\"a b\" %-x %\"\" $c #7 # ^3 !x !3 !\"s\"",
       "GlobalID GlobalVar LocalVar LocalVar ComdatVar AttrGrpID hash SummaryID MetadataVar "
       "exclaim APSInt exclaim StringConstant"},
      {"5: a.b: \"x y\": -7: -x: $y: .z: line: 1",
       "LabelID LabelStr LabelStr LabelStr LabelStr LabelStr LabelStr LabelStr APSInt"},
      {"1 -1 1. -1.5e-10 +2.0 1.5e 0x1F 0xKAB s0xF",
       "APSInt APSInt APFloat APFloat APFloat APFloat Error APFloat APFloat APSInt"},
      {"memory(argmem: read) argmem: memory",
       "kw_memory lparen kw_argmem colon kw_read rparen LabelStr kw_memory"},
      {"c\"x\" cc ccc cc10", "kw_c StringConstant kw_cc kw_ccc kw_cc APSInt"},
      {"DIFlagZero DW_OP_deref #dbg_value", "DIFlag DwarfOp hash kw_dbg_value"},
      {"[4 x i8] <vscale x 2 x double>",
       "lsquare APSInt kw_x Type_iN rsquare less kw_vscale kw_x APSInt kw_x Type_double greater"},
      {"", ""},
      {" ; only a comment", ""},
  };
  for (const auto& [text, kinds] : cases) EXPECT_EQ(Kinds(text), kinds) << text;
}

TEST(IrLexer, GoesOnBehindWhatIsNoToken) {
  EXPECT_EQ(Kinds("ret ? unheard_of & void"), "kw_ret Error Error Error Type_void");
  EXPECT_EQ(Kinds("\xff ~ @ % .. 0xZ \"no end"), "Error Error Error Error Error Error Error Error");
}

TEST(IrLexer, TakesBigTexts) {
  const std::string& unit = Texts().at("csmith");
  std::string text;
  while (text.size() < 20 << 20) text += unit;
  const size_t tokens_of_unit = LexIr(unit).size();
  EXPECT_EQ(LexIr(text).size(), text.size() / unit.size() * tokens_of_unit);
  for (const char c : {'"', ';', '1', 'a', '%', ' ', '@', '.'}) {
    const std::string monotone(1 << 20, c);
    for (const IrToken& token : LexIr(monotone)) ASSERT_FALSE(token.value.empty());
  }
}

// Ids are in what clients have learned.
TEST(IrTokenKinds, KeepTheirIds) {
  std::string table;
  std::set<std::string> names;
  int last_id = -1;
  for (const IrTokenKind& kind : IrTokenKinds()) {
    EXPECT_GT(kind.id, last_id);
    last_id = kind.id;
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name << " is there twice";
    absl::StrAppend(&table, kind.id, " ", kind.name, " ", kind.category, "\n");
  }
  // To be changed only with kinds that were added at the end of a table.
  EXPECT_EQ(IrTokenKinds().size(), 535);
  EXPECT_EQ(llvm::xxh3_64bits(table), 15835580506768599451u);
}

TEST(IrTokenKinds, HoldAllOpcodesAndAttributesOfLlvm) {
  for (unsigned opcode = 1; opcode < llvm::Instruction::OtherOpsEnd; ++opcode) {
    const std::string name = llvm::Instruction::getOpcodeName(opcode);
    if (absl::StartsWith(name, "<")) continue;  // Of no instruction that has a text.
    EXPECT_EQ(KindOfWord(name).category, "instruction") << name;
  }
  using llvm::Attribute;
  for (int kind = Attribute::None + 1; kind < Attribute::EndAttrKinds; ++kind) {
    const std::string name =
        Attribute::getNameFromAttrKind(static_cast<Attribute::AttrKind>(kind)).str();
    EXPECT_EQ(KindOfWord(name).category, "attribute") << name;
  }
}

}  // namespace
}  // namespace holdfast::llvm_session
