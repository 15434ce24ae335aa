// A small compressor: LZ77 over a 32 KiB window, then canonical Huffman codes.
//
// Compresses generated data of several kinds, decompresses it, and checks that nothing was lost.
// Prints one line a data set; exits with 0 if all came back as they were. The argument multiplies
// their size.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  kWindow = 32768,
  kMinMatch = 4,
  kMaxMatch = 258,
  kHashBits = 14,
  kMaxChain = 32,
  // Symbols: 256 literals, then 64 classes of match length, then the end of the data.
  kFirstLength = 256,
  kLengthClasses = 64,
  kEnd = kFirstLength + kLengthClasses,
  kSymbols = kEnd + 1,
  kDistances = 64,
  kMaxCodeLength = 24
};

// Bit streams -------------------------------------------------------------------------------------

typedef struct {
  uint8_t *bytes;
  size_t size;
  size_t capacity;
  uint64_t pending;
  int pending_bits;
} BitWriter;

static void put_byte(BitWriter *out, uint8_t byte) {
  if (out->size == out->capacity) {
    out->capacity = out->capacity ? 2 * out->capacity : 1024;
    out->bytes = realloc(out->bytes, out->capacity);
    if (!out->bytes) abort();
  }
  out->bytes[out->size++] = byte;
}

static void put_bits(BitWriter *out, uint32_t bits, int count) {
  out->pending = out->pending << count | bits;
  out->pending_bits += count;
  while (out->pending_bits >= 8) {
    out->pending_bits -= 8;
    put_byte(out, (uint8_t)(out->pending >> out->pending_bits));
  }
}

static void flush_bits(BitWriter *out) {
  if (out->pending_bits > 0) put_bits(out, 0, 8 - out->pending_bits);
}

typedef struct {
  const uint8_t *bytes;
  size_t size;
  size_t position;
  uint32_t current;
  int left;
} BitReader;

static int get_bit(BitReader *in) {
  if (in->left == 0) {
    in->current = in->position < in->size ? in->bytes[in->position++] : 0;
    in->left = 8;
  }
  return in->current >> --in->left & 1;
}

static uint32_t get_bits(BitReader *in, int count) {
  uint32_t bits = 0;
  while (count-- > 0) bits = bits << 1 | (uint32_t)get_bit(in);
  return bits;
}

// Numbers as a class (of their size) and a few extra bits -----------------------------------------

static int class_of(uint32_t value, int *extra_bits, uint32_t *extra) {
  if (value < 4) {
    *extra_bits = 0;
    *extra = 0;
    return (int)value;
  }
  int top = 31;
  while (!(value >> top & 1)) --top;
  *extra_bits = top - 1;
  *extra = value & ((1u << *extra_bits) - 1);
  return 2 * top + (int)(value >> *extra_bits & 1);
}

static uint32_t value_of(int class_index, BitReader *in) {
  if (class_index < 4) return (uint32_t)class_index;
  const int extra_bits = class_index / 2 - 1;
  return ((2u | (uint32_t)(class_index & 1)) << extra_bits) + get_bits(in, extra_bits);
}

// Huffman codes -----------------------------------------------------------------------------------

typedef struct {
  uint8_t length[kSymbols];
  uint32_t code[kSymbols];
  int symbols;
} Code;

// Codes in order of length, then of symbol: the lengths alone describe them.
static void assign_codes(Code *code) {
  uint32_t next = 0;
  for (int length = 1; length <= kMaxCodeLength; ++length) {
    for (int symbol = 0; symbol < code->symbols; ++symbol) {
      if (code->length[symbol] == length) code->code[symbol] = next++;
    }
    next <<= 1;
  }
}

typedef struct {
  uint64_t weight;
  int parent;
} Node;

static void build_code(const uint32_t *frequency, int symbols, Code *code) {
  Node nodes[2 * kSymbols];
  int heap[kSymbols];
  code->symbols = symbols;
  memset(code->length, 0, sizeof code->length);
  for (int flatten = 0;; ++flatten) {
    int size = 0;
    int count = symbols;
    for (int i = 0; i < symbols; ++i) {
      if (frequency[i] == 0) continue;
      // A flatter distribution, should a code become too long.
      nodes[i].weight = ((uint64_t)frequency[i] >> flatten) + 1;
      nodes[i].parent = -1;
      heap[size++] = i;
    }
    if (size == 1) {
      code->length[heap[0]] = 1;
      break;
    }
    while (size > 1) {
      int lightest[2];
      for (int k = 0; k < 2; ++k) {
        int best = 0;
        for (int i = 1; i < size; ++i) {
          if (nodes[heap[i]].weight < nodes[heap[best]].weight) best = i;
        }
        lightest[k] = heap[best];
        heap[best] = heap[--size];
      }
      nodes[count].weight = nodes[lightest[0]].weight + nodes[lightest[1]].weight;
      nodes[count].parent = -1;
      nodes[lightest[0]].parent = count;
      nodes[lightest[1]].parent = count;
      heap[size++] = count++;
    }
    int longest = 0;
    for (int i = 0; i < symbols; ++i) {
      if (frequency[i] == 0) continue;
      int length = 0;
      for (int node = i; nodes[node].parent >= 0; node = nodes[node].parent) ++length;
      code->length[i] = (uint8_t)length;
      if (length > longest) longest = length;
    }
    if (longest <= kMaxCodeLength) break;
  }
  assign_codes(code);
}

static void put_symbol(BitWriter *out, const Code *code, int symbol) {
  put_bits(out, code->code[symbol], code->length[symbol]);
}

static int get_symbol(BitReader *in, const Code *code) {
  uint32_t bits = 0;
  for (int length = 1; length <= kMaxCodeLength; ++length) {
    bits = bits << 1 | (uint32_t)get_bit(in);
    for (int symbol = 0; symbol < code->symbols; ++symbol) {
      if (code->length[symbol] == length && code->code[symbol] == bits) return symbol;
    }
  }
  return -1;
}

static void put_lengths(BitWriter *out, const Code *code) {
  for (int i = 0; i < code->symbols; ++i) put_bits(out, code->length[i], 5);
}

static void get_lengths(BitReader *in, int symbols, Code *code) {
  code->symbols = symbols;
  for (int i = 0; i < symbols; ++i) code->length[i] = (uint8_t)get_bits(in, 5);
  assign_codes(code);
}

// LZ77 --------------------------------------------------------------------------------------------

typedef struct {
  uint32_t length;  // 0: a literal, in `value`; else `value` is the distance.
  uint32_t value;
} Token;

static uint32_t hash_of(const uint8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
  return word * 2654435761u >> (32 - kHashBits);
}

static uint32_t match_length(const uint8_t *a, const uint8_t *b, size_t limit) {
  uint32_t length = 0;
  while (length < limit && a[length] == b[length]) ++length;
  return length;
}

static size_t find_tokens(const uint8_t *data, size_t size, Token *tokens) {
  static int32_t head[1 << kHashBits];
  int32_t *previous = malloc(sizeof *previous * (size + 1));
  if (!previous) abort();
  memset(head, -1, sizeof head);
  size_t count = 0;
  size_t at = 0;
  while (at < size) {
    uint32_t best_length = 0;
    uint32_t best_distance = 0;
    if (at + kMinMatch <= size) {
      const size_t limit = size - at < kMaxMatch ? size - at : kMaxMatch;
      int32_t candidate = head[hash_of(data + at)];
      for (int tries = 0; candidate >= 0 && tries < kMaxChain; ++tries) {
        const size_t distance = at - (size_t)candidate;
        if (distance > kWindow) break;
        const uint32_t length = match_length(data + candidate, data + at, limit);
        if (length > best_length) {
          best_length = length;
          best_distance = (uint32_t)distance;
        }
        candidate = previous[candidate];
      }
    }
    if (best_length < kMinMatch) best_length = 0;
    tokens[count].length = best_length;
    tokens[count].value = best_length ? best_distance : data[at];
    ++count;
    const size_t next = at + (best_length ? best_length : 1);
    for (; at < next; ++at) {
      if (at + kMinMatch > size) continue;
      const uint32_t hash = hash_of(data + at);
      previous[at] = head[hash];
      head[hash] = (int32_t)at;
    }
  }
  free(previous);
  return count;
}

// The whole ---------------------------------------------------------------------------------------

static BitWriter compress(const uint8_t *data, size_t size) {
  Token *tokens = malloc(sizeof *tokens * (size + 1));
  if (!tokens) abort();
  const size_t count = find_tokens(data, size, tokens);
  uint32_t symbol_count[kSymbols] = {0};
  uint32_t distance_count[kDistances] = {0};
  int bits;
  uint32_t extra;
  for (size_t i = 0; i < count; ++i) {
    if (tokens[i].length == 0) {
      ++symbol_count[tokens[i].value];
    } else {
      ++symbol_count[kFirstLength + class_of(tokens[i].length - kMinMatch, &bits, &extra)];
      ++distance_count[class_of(tokens[i].value, &bits, &extra)];
    }
  }
  ++symbol_count[kEnd];
  ++distance_count[0];
  Code symbols = {.symbols = 0};
  Code distances = {.symbols = 0};
  build_code(symbol_count, kSymbols, &symbols);
  build_code(distance_count, kDistances, &distances);

  BitWriter out = {0};
  put_lengths(&out, &symbols);
  put_lengths(&out, &distances);
  for (size_t i = 0; i < count; ++i) {
    if (tokens[i].length == 0) {
      put_symbol(&out, &symbols, (int)tokens[i].value);
      continue;
    }
    put_symbol(&out, &symbols,
               kFirstLength + class_of(tokens[i].length - kMinMatch, &bits, &extra));
    put_bits(&out, extra, bits);
    put_symbol(&out, &distances, class_of(tokens[i].value, &bits, &extra));
    put_bits(&out, extra, bits);
  }
  put_symbol(&out, &symbols, kEnd);
  flush_bits(&out);
  free(tokens);
  return out;
}

// Returns the number of bytes, or -1 if `in` holds no such data.
static long decompress(BitReader *in, uint8_t *data, size_t capacity) {
  Code symbols;
  Code distances;
  get_lengths(in, kSymbols, &symbols);
  get_lengths(in, kDistances, &distances);
  size_t size = 0;
  for (;;) {
    const int symbol = get_symbol(in, &symbols);
    if (symbol < 0) return -1;
    if (symbol == kEnd) return (long)size;
    if (symbol < kFirstLength) {
      if (size == capacity) return -1;
      data[size++] = (uint8_t)symbol;
      continue;
    }
    const uint32_t length = value_of(symbol - kFirstLength, in) + kMinMatch;
    const int distance_class = get_symbol(in, &distances);
    if (distance_class < 0) return -1;
    const uint32_t distance = value_of(distance_class, in);
    if (distance == 0 || distance > size || length > capacity - size) return -1;
    for (uint32_t i = 0; i < length; ++i, ++size) data[size] = data[size - distance];
  }
}

// Data and check ----------------------------------------------------------------------------------

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

static void make_text(uint8_t *data, size_t size) {
  static const char *const kWords[] = {"a ",         "session ", "is ",      "its ",
                                       "benchmark ", "and ",     "its ",     "steps;",
                                       "worker ",    "only ",    "caches, ", "it.\n"};
  uint32_t state = 1;
  for (size_t at = 0; at < size;) {
    const char *word = kWords[next_random(&state) % (sizeof kWords / sizeof *kWords)];
    while (*word && at < size) data[at++] = (uint8_t)*word++;
  }
}

static void make_noise(uint8_t *data, size_t size) {
  uint32_t state = 7;
  for (size_t i = 0; i < size; ++i) data[i] = (uint8_t)next_random(&state);
}

static void make_runs(uint8_t *data, size_t size) {
  uint32_t state = 3;
  for (size_t at = 0; at < size;) {
    const uint8_t value = (uint8_t)(next_random(&state) % 5);
    for (uint32_t run = next_random(&state) % 400; run > 0 && at < size; --run) data[at++] = value;
  }
}

static uint32_t checksum(const uint8_t *data, size_t size) {
  uint32_t a = 1;
  uint32_t b = 0;
  for (size_t i = 0; i < size; ++i) {
    a = (a + data[i]) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

static int check(const char *name, void (*make)(uint8_t *, size_t), size_t size) {
  uint8_t *data = malloc(size + 1);
  uint8_t *copy = malloc(size + 1);
  if (!data || !copy) abort();
  make(data, size);
  BitWriter packed = compress(data, size);
  BitReader reader = {packed.bytes, packed.size, 0, 0, 0};
  const long restored = decompress(&reader, copy, size);
  const int good = restored == (long)size && checksum(data, size) == checksum(copy, size) &&
                   memcmp(data, copy, size) == 0;
  printf("%-6s %7zu -> %7zu bytes  %s\n", name, size, packed.size, good ? "ok" : "BROKEN");
  free(packed.bytes);
  free(data);
  free(copy);
  return good;
}

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 1000) return 2;
  int good = check("empty", make_text, 0);
  good &= check("text", make_text, (size_t)scale * 100000);
  good &= check("noise", make_noise, (size_t)scale * 20000);
  good &= check("runs", make_runs, (size_t)scale * 200000);
  return good ? 0 : 1;
}
