#include "tests/bench/large_program.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace holdfast {

std::string LargeProgram(int functions) {
  std::string program = "int memory[4096];\n";
  std::mt19937 random(3);
  for (int i = 0; i < functions; ++i) {
    program += absl::StrReplaceAll(
        R"(int f$i(int a, int b) {
  int sum = $c;
  for (int i = 0; i < a % 97; ++i) {
    for (int j = i; j < b % $m; ++j) {
      if ((i ^ j) & 1) sum += memory[(i * $m + j) & 4095] * (a - $c);
      else memory[(sum + $c) & 4095] = sum - j;
    }
    switch (sum % 5) {
      case 0: sum += a << 2; break;
      case 1: sum ^= b * $m; break;
      case 2: sum -= memory[i & 4095]; break;
      default: sum = sum / ($m + i);
    }
  }
  return $call;
}
)",
        {{"$i", absl::StrCat(i)},
         {"$c", absl::StrCat(random() % 1000)},
         {"$m", absl::StrCat(3 + random() % 90)},
         {"$call", i == 0 ? "sum" : absl::StrCat("sum + f", random() % i, "(b, sum % 7)")}});
  }
  return program + absl::StrCat("int main(int argc, char** argv) { return f", functions - 1,
                                "(argc, 3); }\n");
}

}  // namespace holdfast
