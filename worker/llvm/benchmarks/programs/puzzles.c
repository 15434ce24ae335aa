// Backtracking: Sudoku by bit masks, queens on a board, a knight's tour, subset sums.
//
// The Sudokus are made from a pattern by shuffling and erasing. The argument multiplies how many.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kPuzzles = 64, kMaxSolutions = 60, kQueens = 8, kBoard = 6, kNumbers = 18 };

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

// Sudoku ------------------------------------------------------------------------------------------

typedef struct {
  uint8_t digit[81];  // 0: empty.
  // Bit d: the digit d is in there.
  uint16_t row[9];
  uint16_t column[9];
  uint16_t box[9];
  long tries;
  int solutions;
  uint32_t digest;  // Of all solutions.
} Sudoku;

static int box_of(int cell) { return cell / 27 * 3 + cell % 9 / 3; }

static void put(Sudoku *sudoku, int cell, int digit) {
  const uint16_t bit = (uint16_t)(1u << digit);
  sudoku->digit[cell] = (uint8_t)digit;
  sudoku->row[cell / 9] |= bit;
  sudoku->column[cell % 9] |= bit;
  sudoku->box[box_of(cell)] |= bit;
}

static void take(Sudoku *sudoku, int cell) {
  const uint16_t others = (uint16_t) ~(1u << sudoku->digit[cell]);
  sudoku->digit[cell] = 0;
  sudoku->row[cell / 9] &= others;
  sudoku->column[cell % 9] &= others;
  sudoku->box[box_of(cell)] &= others;
}

static int count_bits(unsigned bits) {
  int count = 0;
  for (; bits; bits &= bits - 1) ++count;
  return count;
}

// Tries the empty cell with the fewest digits first.
static void solve(Sudoku *sudoku) {
  int best = -1;
  unsigned best_free = 0;
  for (int cell = 0; cell < 81; ++cell) {
    if (sudoku->digit[cell]) continue;
    const unsigned used =
        sudoku->row[cell / 9] | sudoku->column[cell % 9] | sudoku->box[box_of(cell)];
    const unsigned unused = ~used & 0x3FE;
    if (best < 0 || count_bits(unused) < count_bits(best_free)) {
      best = cell;
      best_free = unused;
    }
  }
  if (best < 0) {
    ++sudoku->solutions;
    for (int cell = 0; cell < 81; ++cell)
      sudoku->digest = sudoku->digest * 31 + sudoku->digit[cell];
    return;
  }
  for (int digit = 1; digit <= 9 && sudoku->solutions < kMaxSolutions; ++digit) {
    if (!(best_free >> digit & 1)) continue;
    ++sudoku->tries;
    put(sudoku, best, digit);
    solve(sudoku);
    take(sudoku, best);
  }
}

static void shuffle(int *numbers, int count, uint32_t *state) {
  for (int i = count - 1; i > 0; --i) {
    const int other = (int)(next_random(state) % (uint32_t)(i + 1));
    const int kept = numbers[i];
    numbers[i] = numbers[other];
    numbers[other] = kept;
  }
}

static void make_sudoku(Sudoku *sudoku, int erased, uint32_t *state) {
  int digits[9], order[81], rows[3] = {0, 1, 2};
  for (int i = 0; i < 9; ++i) digits[i] = i + 1;
  for (int i = 0; i < 81; ++i) order[i] = i;
  shuffle(digits, 9, state);
  shuffle(order, 81, state);
  shuffle(rows, 3, state);
  memset(sudoku, 0, sizeof *sudoku);
  for (int i = erased; i < 81; ++i) {
    const int row = order[i] / 9 / 3 * 3 + rows[order[i] / 9 % 3];
    const int column = order[i] % 9;
    put(sudoku, order[i], digits[(row * 3 + row / 3 + column) % 9]);
  }
}

// Queens, knights, sums ---------------------------------------------------------------------------

// The masks are of the columns that are attacked in the next row.
static int queens(unsigned columns, unsigned left, unsigned right) {
  const unsigned all = (1u << kQueens) - 1;
  if (columns == all) return 1;
  int count = 0;
  for (unsigned open = all & ~(columns | left | right); open; open &= open - 1) {
    const unsigned queen = open & (~open + 1);
    count += queens(columns | queen, (left | queen) << 1, (right | queen) >> 1);
  }
  return count;
}

static const int kMoves[8][2] = {{1, 2},   {2, 1},   {2, -1}, {1, -2},
                                 {-1, -2}, {-2, -1}, {-2, 1}, {-1, 2}};

static int is_open(int board[kBoard][kBoard], int row, int column) {
  return row >= 0 && row < kBoard && column >= 0 && column < kBoard && board[row][column] == 0;
}

static int exits(int board[kBoard][kBoard], int row, int column) {
  int count = 0;
  for (int i = 0; i < 8; ++i) count += is_open(board, row + kMoves[i][0], column + kMoves[i][1]);
  return count;
}

// Goes to where the fewest ways lead on, first.
static int tour(int board[kBoard][kBoard], int row, int column, int step, long *tries) {
  ++*tries;
  board[row][column] = step;
  if (step == kBoard * kBoard) return 1;
  for (int wanted = 0; wanted < 8; ++wanted) {
    for (int i = 0; i < 8; ++i) {
      const int next_row = row + kMoves[i][0];
      const int next_column = column + kMoves[i][1];
      if (!is_open(board, next_row, next_column)) continue;
      if (exits(board, next_row, next_column) != wanted) continue;
      if (tour(board, next_row, next_column, step + 1, tries)) return 1;
    }
  }
  board[row][column] = 0;
  return 0;
}

// How many subsets of the numbers have the sum `target`.
static int subsets(const int *numbers, int count, int target) {
  if (target == 0) return 1;
  if (count == 0 || target < 0) return 0;
  return subsets(numbers + 1, count - 1, target - numbers[0]) +
         subsets(numbers + 1, count - 1, target);
}

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 1000) return 2;
  uint32_t state = 9;
  long tries = 0;
  long solutions = 0;
  uint32_t digest = 0;
  for (long i = 0; i < scale * kPuzzles; ++i) {
    static Sudoku sudoku;
    make_sudoku(&sudoku, 50 + (int)(i % 8), &state);
    solve(&sudoku);
    tries += sudoku.tries;
    solutions += sudoku.solutions;
    digest = digest * 31 + sudoku.digest;
  }
  printf("sudoku: %ld solutions in %ld tries, digest %08x\n", solutions, tries, (unsigned)digest);

  static int board[kBoard][kBoard];
  long moves = 0;
  const int found = tour(board, 0, 0, 1, &moves);
  int numbers[kNumbers];
  for (int i = 0; i < kNumbers; ++i) numbers[i] = 1 + (int)(next_random(&state) % 40);
  const int arrangements = queens(0, 0, 0);
  printf("%d arrangements of %d queens; tour %s after %ld moves; %d subsets\n", arrangements,
         kQueens, found ? "found" : "missing", moves, subsets(numbers, kNumbers, 100));
  return arrangements == 92 && found && solutions >= scale * kPuzzles ? 0 : 1;
}
