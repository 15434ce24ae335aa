// Conway's game of life on a torus, twice: cell by cell, and 64 cells at a time by adding bits.
//
// Both must agree on every generation of a random start, and a glider must come home. The argument
// multiplies the number of generations.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kRows = 96, kColumns = 128, kWords = kColumns / 64, kGenerations = 160 };

typedef uint8_t Cells[kRows][kColumns];
typedef uint64_t Bits[kRows][kWords];

static void step_cells(Cells now, Cells then) {
  for (int row = 0; row < kRows; ++row) {
    const int above = (row + kRows - 1) % kRows;
    const int below = (row + 1) % kRows;
    for (int column = 0; column < kColumns; ++column) {
      const int left = (column + kColumns - 1) % kColumns;
      const int right = (column + 1) % kColumns;
      const int around = now[above][left] + now[above][column] + now[above][right] +
                         now[row][left] + now[row][right] + now[below][left] + now[below][column] +
                         now[below][right];
      then[row][column] = around == 3 || (around == 2 && now[row][column]);
    }
  }
}

// The two bits of the sum of three bits, in each of 64 places.
static void add_three(uint64_t a, uint64_t b, uint64_t c, uint64_t *low, uint64_t *high) {
  const uint64_t either = a ^ b;
  *low = either ^ c;
  *high = (a & b) | (either & c);
}

// Column c is bit c % 64 of word c / 64.
static uint64_t from_left(const uint64_t *row, int word) {
  return row[word] << 1 | row[(word + kWords - 1) % kWords] >> 63;
}

static uint64_t from_right(const uint64_t *row, int word) {
  return row[word] >> 1 | row[(word + 1) % kWords] << 63;
}

static void step_bits(Bits now, Bits then) {
  for (int row = 0; row < kRows; ++row) {
    const uint64_t *above = now[(row + kRows - 1) % kRows];
    const uint64_t *here = now[row];
    const uint64_t *below = now[(row + 1) % kRows];
    for (int word = 0; word < kWords; ++word) {
      uint64_t low[4], high[4], ones, twos, more, carry;
      add_three(from_left(above, word), above[word], from_right(above, word), &low[0], &high[0]);
      add_three(from_left(below, word), below[word], from_right(below, word), &low[1], &high[1]);
      add_three(from_left(here, word), 0, from_right(here, word), &low[2], &high[2]);
      add_three(low[0], low[1], low[2], &ones, &high[3]);
      add_three(high[0], high[1], high[2], &twos, &more);
      carry = twos & high[3];
      twos ^= high[3];
      // Two or three neighbours: bit 1 is set, nothing above it; three: bit 0, too.
      then[row][word] = twos & ~more & ~carry & (ones | here[word]);
    }
  }
}

static void pack(Cells cells, Bits bits) {
  memset(bits, 0, sizeof(Bits));
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      bits[row][column / 64] |= (uint64_t)cells[row][column] << column % 64;
    }
  }
}

static int population(Bits bits) {
  int count = 0;
  for (int row = 0; row < kRows; ++row) {
    for (int word = 0; word < kWords; ++word) {
      for (uint64_t rest = bits[row][word]; rest; rest &= rest - 1) ++count;
    }
  }
  return count;
}

static uint64_t digest(Bits bits) {
  uint64_t sum = 1;
  for (int row = 0; row < kRows; ++row) {
    for (int word = 0; word < kWords; ++word) {
      sum = (sum ^ bits[row][word]) * 0x9E3779B97F4A7C15u;
      sum ^= sum >> 29;
    }
  }
  return sum;
}

static Cells cells[2];
static Bits bits[2], packed;

// A glider moves by one cell, diagonally, in 4 generations.
static int glider_comes_home(void) {
  static const int kGlider[5][2] = {{0, 1}, {1, 2}, {2, 0}, {2, 1}, {2, 2}};
  const int generations = 4 * 384;  // 384: the least common multiple of 96 and 128.
  memset(cells[0], 0, sizeof cells[0]);
  for (int i = 0; i < 5; ++i) cells[0][kGlider[i][0]][kGlider[i][1]] = 1;
  pack(cells[0], bits[0]);
  const uint64_t start = digest(bits[0]);
  for (int i = 0; i < generations; ++i) step_bits(bits[i % 2], bits[(i + 1) % 2]);
  return digest(bits[0]) == start && population(bits[0]) == 5;
}

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 1000) return 2;
  const int home = glider_comes_home();

  uint32_t state = 2024;
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      state = state * 1664525u + 1013904223u;
      cells[0][row][column] = state >> 30 == 0;
    }
  }
  pack(cells[0], bits[0]);
  const int begin = population(bits[0]);
  int agree = 1;
  const long generations = scale * kGenerations;
  for (long i = 0; i < generations; ++i) {
    step_cells(cells[i % 2], cells[(i + 1) % 2]);
    step_bits(bits[i % 2], bits[(i + 1) % 2]);
    if (i % 16 != 15 && i + 1 != generations) continue;
    pack(cells[(i + 1) % 2], packed);
    agree &= memcmp(packed, bits[(i + 1) % 2], sizeof packed) == 0;
  }
  Bits *last = &bits[generations % 2];
  printf("the glider %s; %d cells, %d after %ld generations, digest %016llx\n",
         home ? "comes home" : "is lost", begin, population(*last), generations,
         (unsigned long long)digest(*last));
  return home && agree ? 0 : 1;
}
