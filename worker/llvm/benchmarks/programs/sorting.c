// Quicksort, heapsort, merge sort and radix sort of the same records.
//
// Sorts arrays of several kinds by a key; prints a digest of what each algorithm made of them, and
// what the stable ones have in common. The argument multiplies the length of the arrays.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kLength = 40000, kInsertion = 12, kKinds = 4 };

typedef struct {
  uint32_t key;
  uint32_t origin;  // The index before sorting: tells whether an algorithm is stable.
} Record;

typedef void (*Sort)(Record *records, size_t count, Record *spare);

static void swap(Record *a, Record *b) {
  const Record kept = *a;
  *a = *b;
  *b = kept;
}

static void insertion_sort(Record *records, size_t count) {
  for (size_t i = 1; i < count; ++i) {
    const Record moving = records[i];
    size_t at = i;
    for (; at > 0 && records[at - 1].key > moving.key; --at) records[at] = records[at - 1];
    records[at] = moving;
  }
}

static uint32_t median(uint32_t a, uint32_t b, uint32_t c) {
  if (a < b) return b < c ? b : (a < c ? c : a);
  return a < c ? a : (b < c ? c : b);
}

// Recurses into the smaller part only, so that the stack stays small.
static void quicksort(Record *records, size_t count, Record *spare) {
  while (count > kInsertion) {
    const uint32_t pivot = median(records[0].key, records[count / 2].key, records[count - 1].key);
    size_t low = 0;
    size_t high = count - 1;
    for (;;) {
      while (records[low].key < pivot) ++low;
      while (records[high].key > pivot) --high;
      if (low >= high) break;
      swap(&records[low++], &records[high--]);
    }
    // The pivot is a median, so neither part is empty.
    if (low < count - low) {
      quicksort(records, low, spare);
      records += low;
      count -= low;
    } else {
      quicksort(records + low, count - low, spare);
      count = low;
    }
  }
  insertion_sort(records, count);
}

static void sift_down(Record *heap, size_t root, size_t count) {
  const Record moving = heap[root];
  for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
    if (child + 1 < count && heap[child + 1].key > heap[child].key) ++child;
    if (heap[child].key <= moving.key) break;
    heap[root] = heap[child];
    root = child;
  }
  heap[root] = moving;
}

static void heap_sort(Record *records, size_t count, Record *spare) {
  (void)spare;
  for (size_t root = count / 2; root-- > 0;) sift_down(records, root, count);
  for (size_t end = count; end-- > 1;) {
    swap(&records[0], &records[end]);
    sift_down(records, 0, end);
  }
}

static void merge_sort(Record *records, size_t count, Record *spare) {
  if (count <= kInsertion) {
    insertion_sort(records, count);
    return;
  }
  const size_t half = count / 2;
  merge_sort(records, half, spare);
  merge_sort(records + half, count - half, spare);
  memcpy(spare, records, half * sizeof *records);
  size_t left = 0;
  size_t right = half;
  for (size_t out = 0; left < half; ++out) {
    const int take_right = right < count && records[right].key < spare[left].key;
    records[out] = take_right ? records[right++] : spare[left++];
  }
}

static void radix_sort(Record *records, size_t count, Record *spare) {
  Record *from = records;
  Record *to = spare;
  for (int shift = 0; shift < 32; shift += 8) {
    size_t start[257] = {0};
    for (size_t i = 0; i < count; ++i) ++start[(from[i].key >> shift & 255) + 1];
    for (int digit = 0; digit < 256; ++digit) start[digit + 1] += start[digit];
    for (size_t i = 0; i < count; ++i) to[start[from[i].key >> shift & 255]++] = from[i];
    Record *kept = from;
    from = to;
    to = kept;
  }
}

static const struct {
  const char *name;
  Sort sort;
  int is_stable;
} kAlgorithms[] = {
    {"quicksort", quicksort, 0},
    {"heapsort", heap_sort, 0},
    {"merge sort", merge_sort, 1},
    {"radix sort", radix_sort, 1},
};
enum { kAlgorithmCount = sizeof kAlgorithms / sizeof *kAlgorithms };

static void fill(Record *records, size_t count, int kind) {
  uint32_t state = 2463534242u;
  for (size_t i = 0; i < count; ++i) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    const uint32_t index = (uint32_t)i;
    const uint32_t keys[kKinds] = {state, state % 100, index ^ (state % 16 == 0 ? 255u : 0u),
                                   (uint32_t)count - index};
    records[i].key = keys[kind];
    records[i].origin = index;
  }
}

// 0 if the records are not in order.
static uint32_t digest(const Record *records, size_t count, int with_origin) {
  uint32_t sum = 1;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0 && records[i - 1].key > records[i].key) return 0;
    sum = sum * 31 + records[i].key;
    if (with_origin) sum = sum * 31 + records[i].origin;
  }
  return sum;
}

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 1000) return 2;
  const size_t count = (size_t)scale * kLength;
  Record *original = malloc(count * sizeof *original);
  Record *records = malloc(count * sizeof *records);
  Record *spare = malloc(count * sizeof *spare);
  if (!original || !records || !spare) return 2;

  int good = 1;
  for (int kind = 0; kind < kKinds; ++kind) {
    fill(original, count, kind);
    uint32_t by_key = 0;
    uint32_t stable = 0;
    for (int i = 0; i < kAlgorithmCount; ++i) {
      memcpy(records, original, count * sizeof *records);
      kAlgorithms[i].sort(records, count, spare);
      const uint32_t keys = digest(records, count, 0);
      if (i == 0) by_key = keys;
      if (keys == 0 || keys != by_key) {
        printf("%s fails on kind %d\n", kAlgorithms[i].name, kind);
        good = 0;
      }
      if (!kAlgorithms[i].is_stable) continue;
      const uint32_t all = digest(records, count, 1);
      if (stable == 0) stable = all;
      good &= stable == all;
    }
    printf("kind %d: %zu records, keys %08x, stable order %08x\n", kind, count, (unsigned)by_key,
           (unsigned)stable);
  }
  free(original);
  free(records);
  free(spare);
  return good ? 0 : 1;
}
