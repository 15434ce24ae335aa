// Checksums and digests of bytes: CRC-32 by table, Adler-32, FNV-1a and SHA-256.
//
// Checks the well-known values of "123456789" and "abc", then digests generated data in pieces of
// different sizes. The argument multiplies the amount of data.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kBytes = 600000, kBlock = 64 };

// CRC-32 ------------------------------------------------------------------------------------------

static uint32_t crc_table[256];

static void make_crc_table(void) {
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    crc_table[byte] = crc;
  }
}

static uint32_t crc32(uint32_t crc, const uint8_t *data, size_t size) {
  crc = ~crc;
  for (size_t i = 0; i < size; ++i) crc = crc_table[(crc ^ data[i]) & 255] ^ crc >> 8;
  return ~crc;
}

// Adler-32 and FNV-1a -----------------------------------------------------------------------------

static uint32_t adler32(uint32_t adler, const uint8_t *data, size_t size) {
  uint32_t a = adler & 0xFFFF;
  uint32_t b = adler >> 16;
  while (size > 0) {
    // As many as cannot overflow.
    const size_t part = size < 5552 ? size : 5552;
    for (size_t i = 0; i < part; ++i) {
      a += data[i];
      b += a;
    }
    a %= 65521;
    b %= 65521;
    data += part;
    size -= part;
  }
  return b << 16 | a;
}

static uint64_t fnv1a(uint64_t hash, const uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; ++i) hash = (hash ^ data[i]) * 1099511628211u;
  return hash;
}

// SHA-256 -----------------------------------------------------------------------------------------

typedef struct {
  uint32_t state[8];
  uint8_t block[kBlock];
  uint64_t size;  // Bytes so far.
} Sha256;

static uint32_t round_constant[64];
static uint32_t first_state[8];

// floor(2^32 * the fraction of the square root (power 2) or cube root (power 3) of `prime`).
static uint32_t root_fraction(uint32_t prime, int power) {
  // Bit by bit, on numbers of 16-bit digits, least significant first: exact.
  uint32_t root_high = 1;
  while (power == 2 ? (root_high + 1) * (root_high + 1) <= prime
                    : (root_high + 1) * (root_high + 1) * (root_high + 1) <= prime) {
    ++root_high;
  }
  uint64_t root = (uint64_t)root_high << 32;
  for (int bit = 31; bit >= 0; --bit) {
    const uint64_t candidate = root | (uint64_t)1 << bit;
    uint32_t product[12] = {1};
    for (int factor = 0; factor < power; ++factor) {
      uint32_t next[12] = {0};
      for (int i = 0; i < 9; ++i) {
        uint64_t carry = 0;
        for (int j = 0; j < 3; ++j) {
          carry += next[i + j] + (uint64_t)product[i] * (candidate >> 16 * j & 0xFFFF);
          next[i + j] = (uint32_t)(carry & 0xFFFF);
          carry >>= 16;
        }
        for (int k = i + 3; carry > 0 && k < 12; ++k) {
          carry += next[k];
          next[k] = (uint32_t)(carry & 0xFFFF);
          carry >>= 16;
        }
      }
      memcpy(product, next, sizeof product);
    }
    // candidate^power <= prime * 2^(32 * power)?
    const uint32_t whole = product[2 * power] | product[2 * power + 1] << 16;
    if (whole < prime) root = candidate;
  }
  return (uint32_t)root;
}

static int is_prime(uint32_t n) {
  for (uint32_t d = 2; d * d <= n; ++d) {
    if (n % d == 0) return 0;
  }
  return n >= 2;
}

static void make_sha_constants(void) {
  int count = 0;
  for (uint32_t n = 2; count < 64; ++n) {
    if (!is_prime(n)) continue;
    if (count < 8) first_state[count] = root_fraction(n, 2);
    round_constant[count++] = root_fraction(n, 3);
  }
}

static uint32_t rotate(uint32_t word, int by) { return word >> by | word << (32 - by); }

static void sha256_block(Sha256 *sha) {
  uint32_t schedule[64];
  for (int i = 0; i < 16; ++i) {
    const uint8_t *bytes = sha->block + 4 * i;
    schedule[i] = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
                  (uint32_t)bytes[3];
  }
  for (int i = 16; i < 64; ++i) {
    const uint32_t a = schedule[i - 15];
    const uint32_t b = schedule[i - 2];
    schedule[i] = schedule[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + schedule[i - 7] +
                  (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
  }
  uint32_t s[8];
  memcpy(s, sha->state, sizeof s);
  for (int i = 0; i < 64; ++i) {
    const uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const uint32_t first = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice +
                           round_constant[i] + schedule[i];
    const uint32_t second = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += first;
    s[0] = first + second;
  }
  for (int i = 0; i < 8; ++i) sha->state[i] += s[i];
}

static void sha256_begin(Sha256 *sha) {
  memcpy(sha->state, first_state, sizeof sha->state);
  sha->size = 0;
}

static void sha256_add(Sha256 *sha, const uint8_t *data, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    sha->block[sha->size++ % kBlock] = data[i];
    if (sha->size % kBlock == 0) sha256_block(sha);
  }
}

static void sha256_end(Sha256 *sha, char *text) {
  const uint64_t bits = 8 * sha->size;
  const uint8_t one = 0x80;
  const uint8_t zero = 0;
  sha256_add(sha, &one, 1);
  while (sha->size % kBlock != kBlock - 8) sha256_add(sha, &zero, 1);
  for (int shift = 56; shift >= 0; shift -= 8) {
    const uint8_t byte = (uint8_t)(bits >> shift);
    sha256_add(sha, &byte, 1);
  }
  for (int i = 0; i < 8; ++i) sprintf(text + 8 * i, "%08x", (unsigned)sha->state[i]);
}

// -------------------------------------------------------------------------------------------------

typedef struct {
  uint32_t crc;
  uint32_t adler;
  uint64_t fnv;
  char sha[65];
} Digests;

// Hands the data over in pieces of `piece` bytes.
static Digests digest(const uint8_t *data, size_t size, size_t piece) {
  Digests digests = {0, 1, 14695981039346656037u, ""};
  Sha256 sha;
  sha256_begin(&sha);
  for (size_t at = 0; at < size; at += piece) {
    const size_t part = size - at < piece ? size - at : piece;
    digests.crc = crc32(digests.crc, data + at, part);
    digests.adler = adler32(digests.adler, data + at, part);
    digests.fnv = fnv1a(digests.fnv, data + at, part);
    sha256_add(&sha, data + at, part);
  }
  sha256_end(&sha, digests.sha);
  return digests;
}

static void print(const char *name, const Digests *digests) {
  printf("%s: crc %08x, adler %08x, fnv %016llx\n  sha256 %s\n", name, (unsigned)digests->crc,
         (unsigned)digests->adler, (unsigned long long)digests->fnv, digests->sha);
}

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 1000) return 2;
  const size_t size = (size_t)scale * kBytes;
  uint8_t *data = malloc(size);
  if (!data) return 2;
  uint64_t state = 88172645463325252u;
  for (size_t i = 0; i < size; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    data[i] = (uint8_t)state;
  }
  make_crc_table();
  make_sha_constants();

  const Digests digits = digest((const uint8_t *)"123456789", 9, 9);
  const Digests abc = digest((const uint8_t *)"abc", 3, 1);
  const Digests whole = digest(data, size, 4096);
  const Digests pieces = digest(data, size, 61);
  print("digits", &digits);
  print("abc", &abc);
  print("data", &whole);
  free(data);
  return digits.crc == 0xCBF43926u && digits.adler == 0x091E01DEu && whole.crc == pieces.crc &&
                 whole.adler == pieces.adler && whole.fnv == pieces.fnv &&
                 strcmp(whole.sha, pieces.sha) == 0
             ? 0
             : 1;
}
