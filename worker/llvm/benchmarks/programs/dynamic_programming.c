// Dynamic programming: edit distance with its script, the longest common subsequence, the knapsack,
// the order of matrix products, and the longest increasing subsequence.
//
// The argument repeats all of it with other data.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kText = 1300, kItems = 120, kCapacity = 6000, kMatrices = 160, kSequence = 50000 };

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static int least(int a, int b) { return a < b ? a : b; }
static int most(int a, int b) { return a > b ? a : b; }

static int cost[kText + 1][kText + 1];

// Insertions, deletions and replacements that make `b` out of `a`; the script goes to `script`, one
// letter for each character: = r i d.
static int edit_distance(const char *a, int a_size, const char *b, int b_size, char *script) {
  for (int i = 0; i <= a_size; ++i) cost[i][0] = i;
  for (int j = 0; j <= b_size; ++j) cost[0][j] = j;
  for (int i = 1; i <= a_size; ++i) {
    for (int j = 1; j <= b_size; ++j) {
      const int replaced = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      cost[i][j] = least(replaced, 1 + least(cost[i - 1][j], cost[i][j - 1]));
    }
  }
  int length = 0;
  for (int i = a_size, j = b_size; i > 0 || j > 0;) {
    if (i > 0 && j > 0 && cost[i][j] == cost[i - 1][j - 1] + (a[i - 1] != b[j - 1])) {
      script[length++] = a[i - 1] == b[j - 1] ? '=' : 'r';
      --i;
      --j;
    } else if (i > 0 && cost[i][j] == cost[i - 1][j] + 1) {
      script[length++] = 'd';
      --i;
    } else {
      script[length++] = 'i';
      --j;
    }
  }
  script[length] = '\0';
  return cost[a_size][b_size];
}

// Whether `script`, which is backwards, makes `b` out of `a` at the given cost.
static int is_right(const char *script, const char *a, const char *b, int distance) {
  for (size_t left = strlen(script); left-- > 0;) {
    if (script[left] == '=' && *a != *b) return 0;
    distance -= script[left] != '=';
    a += script[left] != 'i';
    b += script[left] != 'd';
  }
  return distance == 0 && *a == '\0' && *b == '\0';
}

// In two rows.
static int common_subsequence(const char *a, int a_size, const char *b, int b_size) {
  int rows[2][kText + 1];
  memset(rows, 0, sizeof rows);
  for (int i = 1; i <= a_size; ++i) {
    const int *above = rows[(i - 1) % 2];
    int *row = rows[i % 2];
    for (int j = 1; j <= b_size; ++j) {
      row[j] = a[i - 1] == b[j - 1] ? above[j - 1] + 1 : most(above[j], row[j - 1]);
    }
  }
  return rows[a_size % 2][b_size];
}

static int knapsack(const int *weight, const int *value, int items) {
  int best[kCapacity + 1];
  memset(best, 0, sizeof best);
  for (int i = 0; i < items; ++i) {
    for (int room = kCapacity; room >= weight[i]; --room) {
      best[room] = most(best[room], best[room - weight[i]] + value[i]);
    }
  }
  return best[kCapacity];
}

// Matrix i has size[i] rows and size[i + 1] columns.
static long matrix_order(const int *size, int matrices) {
  static long best[kMatrices][kMatrices];
  for (int i = 0; i < matrices; ++i) best[i][i] = 0;
  for (int length = 2; length <= matrices; ++length) {
    for (int first = 0; first + length <= matrices; ++first) {
      const int last = first + length - 1;
      long cheapest = -1;
      for (int split = first; split < last; ++split) {
        const long products = (long)size[first] * size[split + 1] * size[last + 1];
        const long total = best[first][split] + best[split + 1][last] + products;
        if (cheapest < 0 || total < cheapest) cheapest = total;
      }
      best[first][last] = cheapest;
    }
  }
  return best[0][matrices - 1];
}

// tail[k]: the least number that ends an increasing subsequence of length k + 1.
static int increasing_subsequence(const uint32_t *sequence, int count) {
  static uint32_t tail[kSequence];
  int longest = 0;
  for (int i = 0; i < count; ++i) {
    int low = 0;
    int high = longest;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (tail[middle] < sequence[i]) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    tail[low] = sequence[i];
    if (low == longest) ++longest;
  }
  return longest;
}

// `b` is `a` with some changes.
static void make_texts(uint32_t *state, char *a, char *b) {
  int b_size = 0;
  for (int i = 0; i < kText; ++i) {
    a[i] = (char)('a' + next_random(state) % 6);
    const uint32_t change = next_random(state) % 12;
    if (change == 0) continue;
    if (b_size < kText) b[b_size++] = change == 1 ? '?' : a[i];
    if (change == 2 && b_size < kText) b[b_size++] = '+';
  }
  a[kText] = '\0';
  b[b_size] = '\0';
}

int main(int argc, char **argv) {
  const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (rounds < 1 || rounds > 1000) return 2;
  uint32_t state = 1234;
  int good = 1;
  for (long round = 0; round < rounds; ++round) {
    static char a[kText + 1], b[kText + 1], script[2 * kText + 1];
    make_texts(&state, a, b);
    const int b_size = (int)strlen(b);
    const int distance = edit_distance(a, kText, b, b_size, script);
    const int common = common_subsequence(a, kText, b, b_size);
    good &= is_right(script, a, b, distance);
    good &= kText + b_size - 2 * common >= distance;

    int weight[kItems], value[kItems];
    for (int i = 0; i < kItems; ++i) {
      weight[i] = 20 + (int)(next_random(&state) % 200);
      value[i] = weight[i] + (int)(next_random(&state) % 100);
    }
    int size[kMatrices + 1];
    for (int i = 0; i <= kMatrices; ++i) size[i] = 1 + (int)(next_random(&state) % 90);
    static uint32_t sequence[kSequence];
    for (int i = 0; i < kSequence; ++i) sequence[i] = next_random(&state);
    printf("edit distance %d, common subsequence %d, knapsack %d\n", distance, common,
           knapsack(weight, value, kItems));
    printf("matrix products %ld, increasing subsequence %d\n", matrix_order(size, kMatrices),
           increasing_subsequence(sequence, kSequence));
  }
  return good ? 0 : 1;
}
