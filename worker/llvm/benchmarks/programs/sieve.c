// Numbers by sieving: primes up to a limit segment by segment, in bits; then the divisor sums,
// Euler's totients and Moebius' function of smaller numbers, by a linear sieve.
//
// The argument multiplies both limits.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kLimit = 3000000, kLinearLimit = 250000, kSegmentBytes = 4096 };

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) exit(2);
  return memory;
}

// Primes by segments ------------------------------------------------------------------------------

typedef struct {
  uint32_t count;
  uint32_t twins;
  uint32_t largest;
  uint32_t widest_gap;
  uint64_t sum;
} Primes;

static void note_prime(Primes *primes, uint32_t prime) {
  const uint32_t gap = prime - primes->largest;
  ++primes->count;
  primes->sum += prime;
  if (primes->largest > 0 && gap == 2) ++primes->twins;
  if (primes->largest > 0 && gap > primes->widest_gap) primes->widest_gap = gap;
  primes->largest = prime;
}

static uint32_t integer_root(uint32_t n) {
  uint32_t root = 0;
  for (uint32_t bit = 1u << 15; bit > 0; bit >>= 1) {
    if ((root | bit) * (root | bit) <= n) root |= bit;
  }
  return root;
}

// Odd primes up to `limit`; returns how many.
static size_t small_primes(uint32_t limit, uint32_t *primes) {
  uint8_t *composite = allocate(limit + 1, 1);
  size_t count = 0;
  for (uint32_t n = 3; n <= limit; n += 2) {
    if (composite[n]) continue;
    primes[count++] = n;
    for (uint64_t multiple = (uint64_t)n * n; multiple <= limit; multiple += 2 * n) {
      composite[multiple] = 1;
    }
  }
  free(composite);
  return count;
}

// Bit i of a segment is the odd number begin + 2 i + 1, `begin` being even.
static Primes sieve(uint32_t limit) {
  Primes result = {0, 0, 0, 0, 0};
  const uint32_t root = integer_root(limit);
  uint32_t *primes = allocate(root + 1, sizeof *primes);
  const size_t count = small_primes(root, primes);
  static uint8_t segment[kSegmentBytes];
  const uint32_t span = 16 * kSegmentBytes;
  note_prime(&result, 2);
  for (uint32_t begin = 0; begin <= limit; begin += span) {
    memset(segment, 0xFF, sizeof segment);
    if (begin == 0) segment[0] &= 0xFE;  // 1 is no prime.
    for (size_t i = 0; i < count && (uint64_t)primes[i] * primes[i] < (uint64_t)begin + span; ++i) {
      const uint32_t prime = primes[i];
      uint32_t multiple = prime * prime;
      if (multiple < begin) {
        multiple = (begin + prime - 1) / prime * prime;
        if (multiple % 2 == 0) multiple += prime;
      }
      for (uint32_t bit = (multiple - begin) / 2; bit < 8 * kSegmentBytes; bit += prime) {
        segment[bit >> 3] &= (uint8_t) ~(1u << (bit & 7));
      }
    }
    for (uint32_t bit = 0; bit < 8 * kSegmentBytes; ++bit) {
      const uint32_t n = begin + 2 * bit + 1;
      if (n > limit) break;
      if (segment[bit >> 3] >> (bit & 7) & 1) note_prime(&result, n);
    }
  }
  free(primes);
  return result;
}

// Arithmetic functions ----------------------------------------------------------------------------

typedef struct {
  uint32_t perfect;
  uint32_t abundant;
  uint64_t totients;
  int32_t mertens;
} Numbers;

// Each composite is crossed out once, by its smallest prime factor.
static Numbers arithmetic_functions(uint32_t limit) {
  uint32_t *primes = allocate(limit + 1, sizeof *primes);
  uint32_t *smallest = allocate(limit + 1, sizeof *smallest);
  uint32_t *totient = allocate(limit + 1, sizeof *totient);
  uint64_t *divisors = allocate(limit + 1, sizeof *divisors);
  int8_t *moebius = allocate(limit + 1, 1);
  size_t count = 0;
  totient[1] = 1;
  divisors[1] = 1;
  moebius[1] = 1;
  Numbers numbers = {0, 0, 1, 1};
  for (uint32_t n = 2; n <= limit; ++n) {
    if (smallest[n] == 0) {
      primes[count++] = n;
      smallest[n] = n;
      totient[n] = n - 1;
      divisors[n] = (uint64_t)n + 1;
      moebius[n] = -1;
    }
    for (size_t i = 0; i < count; ++i) {
      const uint32_t prime = primes[i];
      const uint64_t product = (uint64_t)prime * n;
      if (prime > smallest[n] || product > limit) break;
      smallest[product] = prime;
      if (n % prime == 0) {
        totient[product] = totient[n] * prime;
        moebius[product] = 0;
        uint32_t rest = n;
        uint64_t powers = 1 + (uint64_t)prime;
        for (; rest % prime == 0; rest /= prime) powers = powers * prime + 1;
        divisors[product] = divisors[rest] * powers;
      } else {
        totient[product] = totient[n] * (prime - 1);
        moebius[product] = (int8_t)-moebius[n];
        divisors[product] = divisors[n] * (1 + (uint64_t)prime);
      }
    }
    numbers.perfect += divisors[n] == 2 * (uint64_t)n;
    numbers.abundant += divisors[n] > 2 * (uint64_t)n;
    numbers.totients += totient[n];
    numbers.mertens += moebius[n];
  }
  free(primes);
  free(smallest);
  free(totient);
  free(divisors);
  free(moebius);
  return numbers;
}

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 100) return 2;
  const Primes known = sieve(100000);
  const Primes primes = sieve((uint32_t)scale * kLimit);
  const Numbers numbers = arithmetic_functions((uint32_t)scale * kLinearLimit);
  printf("%u primes, the last %u, sum %llu, %u twins, widest gap %u\n", (unsigned)primes.count,
         (unsigned)primes.largest, (unsigned long long)primes.sum, (unsigned)primes.twins,
         (unsigned)primes.widest_gap);
  printf("%u perfect and %u abundant numbers, totients %llu, Mertens %d\n",
         (unsigned)numbers.perfect, (unsigned)numbers.abundant,
         (unsigned long long)numbers.totients, (int)numbers.mertens);
  return known.count == 9592 && known.largest == 99991 && known.twins == 1224 ? 0 : 1;
}
