// The status page in a real browser. Its pictures are among the test's outputs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/misbehaving_service.h"
#include "tests/integration/running_program.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

class StatusPageBrowserTest : public testing::Test {
 protected:
  // As one sees it whose browser likes it light, or dark. What the browser prints.
  ProgramResult Browse(const std::vector<std::string>& what, bool is_dark = false) {
    const TemporaryDirectory profile;
    std::vector<std::string> command = {
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--window-size=1280,1500",
        absl::StrCat("--blink-settings=preferredColorScheme=", is_dark ? 0 : 1),
        "--user-data-dir=" + profile.path(),
    };
    command.insert(command.end(), what.begin(), what.end());
    command.push_back(Url());
    return RunProgram(command);
  }
  std::string Url() const {
    return absl::StrCat(
        "http://127.0.0.1:", absl::StripAsciiWhitespace(service_.ReadFile("metrics_port.txt")),
        "/statusz");
  }
  std::string Picture(const std::string& name, bool is_dark) {
    const char* outputs = getenv("TEST_UNDECLARED_OUTPUTS_DIR");
    const std::string path =
        absl::StrCat(outputs == nullptr ? testing::TempDir() : outputs, "/", name);
    EXPECT_EQ(Browse({"--screenshot=" + path}, is_dark).exit, 0);
    return Slurp(path);
  }

  MisbehavingService service_;
};

TEST_F(StatusPageBrowserTest, ShowsASessionThatFailed) {
  TestSession session = service_.NewSession();
  TestSession other = service_.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one", "add_one"}).ok());
  ASSERT_EQ(StepBy(&session, {"crash"}).error_code(), grpc::StatusCode::ABORTED);
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());

  const ProgramResult page = Browse({"--dump-dom"});
  ASSERT_EQ(page.exit, 0) << page.err;
  for (const char* text : {">ready<", "Recent failures", "leased", "resident", "signal", "Step"}) {
    EXPECT_THAT(page.out, HasSubstr(text));
  }
  const std::string id = absl::StrCat(session.id());
  EXPECT_THAT(page.out, HasSubstr("…" + id.substr(id.size() - 5)));
  EXPECT_THAT(page.out, Not(HasSubstr(id)));
  EXPECT_THAT(page.err, Not(HasSubstr("CONSOLE"))) << "the browser complains of the page";

  const std::string light = Picture("statusz-light.png", /*is_dark=*/false);
  const std::string dark = Picture("statusz-dark.png", /*is_dark=*/true);
  EXPECT_GT(light.size(), 20'000u) << "an empty page takes a tenth of that";
  EXPECT_GT(dark.size(), 20'000u);
  EXPECT_NE(light, dark);
}

}  // namespace
}  // namespace holdfast
