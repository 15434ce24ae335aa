// Four ways to find a string in a text: naive, Knuth-Morris-Pratt, Horspool and Rabin-Karp.
//
// They must find the same occurrences, also overlapping ones, in texts that are good for one and
// bad for another. The argument multiplies the length of the texts.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kLength = 120000, kMaxPattern = 64 };

typedef struct {
  size_t count;
  uint32_t digest;  // Of the positions.
} Found;

static void note(Found *found, size_t position) {
  ++found->count;
  found->digest = found->digest * 16777619u + (uint32_t)position;
}

static Found find_naive(const char *text, size_t size, const char *pattern, size_t length) {
  Found found = {0, 1};
  for (size_t at = 0; at + length <= size; ++at) {
    size_t same = 0;
    while (same < length && text[at + same] == pattern[same]) ++same;
    if (same == length) note(&found, at);
  }
  return found;
}

static Found find_kmp(const char *text, size_t size, const char *pattern, size_t length) {
  Found found = {0, 1};
  // border[i]: the longest proper prefix of the first i characters that also ends them.
  size_t border[kMaxPattern + 1];
  border[0] = border[1] = 0;
  for (size_t i = 1; i < length; ++i) {
    size_t same = border[i];
    while (same > 0 && pattern[i] != pattern[same]) same = border[same];
    border[i + 1] = pattern[i] == pattern[same] ? same + 1 : 0;
  }
  size_t same = 0;
  for (size_t at = 0; at < size; ++at) {
    while (same > 0 && (same == length || text[at] != pattern[same])) same = border[same];
    if (text[at] == pattern[same]) ++same;
    if (same == length) note(&found, at + 1 - length);
  }
  return found;
}

static Found find_horspool(const char *text, size_t size, const char *pattern, size_t length) {
  Found found = {0, 1};
  size_t shift[256];
  for (int i = 0; i < 256; ++i) shift[i] = length;
  for (size_t i = 0; i + 1 < length; ++i) shift[(uint8_t)pattern[i]] = length - 1 - i;
  for (size_t at = 0; at + length <= size; at += shift[(uint8_t)text[at + length - 1]]) {
    if (memcmp(text + at, pattern, length) == 0) note(&found, at);
  }
  return found;
}

static Found find_rabin_karp(const char *text, size_t size, const char *pattern, size_t length) {
  enum { kBase = 257, kPrime = 16777213 };
  Found found = {0, 1};
  if (size < length) return found;
  uint64_t wanted = 0;
  uint64_t window = 0;
  uint64_t leading = 1;
  for (size_t i = 0; i < length; ++i) {
    wanted = (wanted * kBase + (uint8_t)pattern[i]) % kPrime;
    window = (window * kBase + (uint8_t)text[i]) % kPrime;
    if (i > 0) leading = leading * kBase % kPrime;
  }
  for (size_t at = 0;; ++at) {
    if (window == wanted && memcmp(text + at, pattern, length) == 0) note(&found, at);
    if (at + length == size) return found;
    window += kPrime - (uint8_t)text[at] * leading % kPrime;
    window = (window * kBase + (uint8_t)text[at + length]) % kPrime;
  }
}

typedef Found (*Search)(const char *text, size_t size, const char *pattern, size_t length);
static const Search kSearches[] = {find_naive, find_kmp, find_horspool, find_rabin_karp};
enum { kSearchCount = sizeof kSearches / sizeof *kSearches };

// Each word is the one before it, followed by the one before that: a, ab, aba, abaab, ...
static void make_fibonacci(char *text, size_t size) {
  text[0] = 'a';
  text[1] = 'b';
  for (size_t shorter = 1, length = 2; length < size;) {
    const size_t part = size - length < shorter ? size - length : shorter;
    memcpy(text + length, text, part);
    const size_t next = length + shorter;
    shorter = length;
    length = next;
  }
}

static void make_genome(char *text, size_t size) {
  uint32_t state = 5;
  for (size_t i = 0; i < size; ++i) {
    state = state * 1103515245u + 12345u;
    text[i] = "ACGT"[state >> 30];
  }
}

static void make_prose(char *text, size_t size) {
  static const char kLine[] = "the wind that finds the window winds the clock; ";
  uint32_t state = 11;
  for (size_t i = 0; i < size; ++i) {
    state = state * 1103515245u + 12345u;
    text[i] = state >> 27 == 0 ? (char)('a' + (state >> 16) % 26) : kLine[i % (sizeof kLine - 1)];
  }
}

static const struct {
  const char *name;
  void (*make)(char *text, size_t size);
  const char *patterns[4];
} kTexts[] = {
    {"fibonacci", make_fibonacci, {"a", "abaababaab", "babaababaabaababaabab", "abb"}},
    {"genome", make_genome, {"G", "ACAC", "GATTACA", "TTTTTTTT"}},
    {"prose", make_prose, {"wind", "the window winds", " ", "clock; the wind that finds the"}},
};

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 1000) return 2;
  const size_t size = (size_t)scale * kLength;
  char *text = malloc(size);
  if (!text) return 2;
  int good = 1;
  for (size_t i = 0; i < sizeof kTexts / sizeof *kTexts; ++i) {
    kTexts[i].make(text, size);
    for (int p = 0; p < 4; ++p) {
      const char *pattern = kTexts[i].patterns[p];
      const size_t length = strlen(pattern);
      const Found first = kSearches[0](text, size, pattern, length);
      for (int s = 1; s < kSearchCount; ++s) {
        const Found other = kSearches[s](text, size, pattern, length);
        if (other.count == first.count && other.digest == first.digest) continue;
        printf("search %d finds \"%s\" %zu times\n", s, pattern, other.count);
        good = 0;
      }
      printf("%s: \"%s\" %zu times, digest %08x\n", kTexts[i].name, pattern, first.count,
             (unsigned)first.digest);
    }
  }
  free(text);
  return good ? 0 : 1;
}
