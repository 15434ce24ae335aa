#include "frontend/crash_reports/failure_site.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(FailureSiteTest, IsTheInnermostFramesBySymbol) {
  EXPECT_THAT(FailureSite("*** SIGABRT received at time=1795479446 on cpu 1 ***\n"
                          "PC: @     0x7f74faca8eec  (unknown)  (unknown)\n"
                          "    @     0x7f74faca8eec  (unknown)  (unknown)\n"
                          "    @     0x7f74fac59fb2  (unknown)  raise\n"
                          "    @     0x7f74fac44472  (unknown)  abort\n"
                          "    @           0xd94896  (unknown)  llvm::detail::PassModel<>::run()\n"
                          "    @          0x1f40da9         64  llvm::PassManager<>::run()\n"
                          "    @           0x6b417d       1024  outer one()\n"
                          "    @           0x6b417e  (unknown)  outer two()\n"
                          "    @           0x6b417f  (unknown)  outer three()\n"),
              ElementsAre("llvm::detail::PassModel<>::run()", "llvm::PassManager<>::run()",
                          "outer one()", "outer two()"));
}

TEST(FailureSiteTest, FallsBackToAddressesThatAreTheSameInEachProcess) {
  EXPECT_THAT(FailureSite("PC: @           0xd94896  (unknown)\n"
                          "    @           0x401000  (unknown)\n"
                          "    @     0x7f74fac59fb2  (unknown)\n"
                          "    @           0xd94896  (unknown)\n"
                          "    @          0x1f40da9  (unknown)  (unknown)\n"
                          "    @     0x7f74fac44472  (unknown)\n"
                          "    @           0x6b417d  64\n"),
              ElementsAre("0xd94896", "0x1f40da9", "0x6b417d"))
      << "what comes before the interrupted frame is the handler's";
}

TEST(FailureSiteTest, LeavesOutTheHandlersFrames) {
  EXPECT_THAT(FailureSite("PC: @  0x1  (unknown)\n"
                          "    @  0x2  64  absl::AbslFailureSignalHandler()\n"
                          "    @  0x3  (unknown)  __restore_rt\n"
                          "    @  0x4  (unknown)  Culprit()\n"),
              ElementsAre("0x1", "Culprit()"));
}

TEST(FailureSiteTest, TheLastTraceCounts) {
  EXPECT_THAT(FailureSite("PC: @  0x1  of a child\n"
                          "some words\n"
                          "PC: @  0x2  of the worker\n"
                          "and more words\n"),
              ElementsAre("of the worker"));
}

TEST(FailureSiteTest, WithoutATraceItIsTheLastMessageWithoutItsNumbers) {
  EXPECT_THAT(FailureSite("warning: 1\nLLVM ERROR: at 0x7f12ab, line 12: bad %v42\n\n  ---  \n"),
              ElementsAre("LLVM ERROR: at #, line #: bad %v#"));
  EXPECT_EQ(FailureSite("at 0x7f12ab"), FailureSite("at 0x6500fe2"));
  EXPECT_NE(FailureSite("this"), FailureSite("that"));
  EXPECT_THAT(FailureSite("    @ not a frame"), ElementsAre("@ not a frame"));
  EXPECT_THAT(FailureSite("*** SIGSEGV received at time=1 on cpu 1 ***\n"), IsEmpty());
}

TEST(FailureSiteTest, TakesAnyBytes) {
  EXPECT_THAT(FailureSite(""), IsEmpty());
  EXPECT_THAT(FailureSite(" \n\n 12 \n"), IsEmpty());
  EXPECT_THAT(FailureSite(std::string("a\0b\xff", 4)), ElementsAre("a?b?"));
  EXPECT_THAT(FailureSite("PC: @ 0x"), testing::SizeIs(1));
  for (const char* line :
       {"PC:", "PC: ", "@", "@ ", "PC: @", "@ 0x1", "@ 0xfffffffffffffffffffff1", "PC: @ 0x1 "}) {
    EXPECT_LE(FailureSite(line).size(), 1u) << line;
  }
  const std::vector<std::string> site = FailureSite("x" + std::string(1 << 20, 'y'));
  ASSERT_EQ(site.size(), 1u);
  EXPECT_EQ(site[0], std::string(200, 'y'));
}

TEST(PrintableTailTest, KeepsTheEndAndOnlyAscii) {
  EXPECT_EQ(PrintableTail("a\tb\r\nc\x1b[1m\xc3\xa9"), "a?b?\nc?[1m??");
  EXPECT_EQ(PrintableTail(std::string(5000, 'a') + "z").size(), 4096u);
  EXPECT_EQ(PrintableTail(std::string(5000, 'a') + "z").back(), 'z');
}

}  // namespace
}  // namespace holdfast
