// Integers of any size, in digits of 32 bits: sums, products (by parts, when they are long),
// quotients, powers by a modulus, and decimal text.
//
// Computes factorials, Fibonacci numbers, digits of pi and Fermat tests, and checks them against
// each other. The argument multiplies the size of the numbers.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kPartsFrom = 24 };

// Not negative; the digits are least significant first, the last one is not 0.
typedef struct {
  uint32_t *digit;
  size_t size;
} Number;

static Number zeroes(size_t digits) {
  Number n = {calloc(digits ? digits : 1, sizeof *n.digit), digits};
  if (!n.digit) exit(2);
  return n;
}

static void trim(Number *n) {
  while (n->size > 0 && n->digit[n->size - 1] == 0) --n->size;
}

static Number from_small(uint32_t value) {
  Number n = zeroes(1);
  n.digit[0] = value;
  trim(&n);
  return n;
}

// With zeroes up to `size` digits.
static Number padded(Number a, size_t size) {
  Number n = zeroes(size);
  memcpy(n.digit, a.digit, a.size * sizeof *n.digit);
  return n;
}

static void replace(Number *n, Number by) {
  free(n->digit);
  *n = by;
}

static size_t longer(Number a, Number b) { return a.size > b.size ? a.size : b.size; }

static int compare(Number a, Number b) {
  if (a.size != b.size) return a.size < b.size ? -1 : 1;
  for (size_t i = a.size; i-- > 0;) {
    if (a.digit[i] != b.digit[i]) return a.digit[i] < b.digit[i] ? -1 : 1;
  }
  return 0;
}

// to += from, where `to` has room for the carry.
static void add_digits(uint32_t *to, const uint32_t *from, size_t size) {
  uint64_t carry = 0;
  for (size_t i = 0; i < size || carry > 0; ++i) {
    carry += (uint64_t)to[i] + (i < size ? from[i] : 0);
    to[i] = (uint32_t)carry;
    carry >>= 32;
  }
}

// to -= from, which is not larger.
static void subtract_digits(uint32_t *to, const uint32_t *from, size_t size) {
  uint32_t borrow = 0;
  for (size_t i = 0; i < size || borrow > 0; ++i) {
    const uint64_t taken = (uint64_t)(i < size ? from[i] : 0) + borrow;
    borrow = to[i] < taken;
    to[i] = (uint32_t)(to[i] - taken);
  }
}

static Number add(Number a, Number b) {
  Number sum = padded(a, longer(a, b) + 1);
  add_digits(sum.digit, b.digit, b.size);
  trim(&sum);
  return sum;
}

static Number subtract(Number a, Number b) {
  Number difference = padded(a, a.size);
  subtract_digits(difference.digit, b.digit, b.size);
  trim(&difference);
  return difference;
}

// Karatsuba: (a1 B + a0)(b1 B + b0), of equal length, by three products of half the length. `out`
// has 2 * size digits, all 0.
static void multiply_digits(const uint32_t *a, const uint32_t *b, size_t size, uint32_t *out) {
  if (size < kPartsFrom) {
    for (size_t i = 0; i < size; ++i) {
      uint64_t carry = 0;
      for (size_t j = 0; j < size; ++j) {
        carry += (uint64_t)a[i] * b[j] + out[i + j];
        out[i + j] = (uint32_t)carry;
        carry >>= 32;
      }
      out[i + size] = (uint32_t)carry;
    }
    return;
  }
  const size_t low = size / 2;
  const size_t high = size - low;
  Number scratch = zeroes(4 * (high + 1));
  uint32_t *a_sum = scratch.digit;
  uint32_t *b_sum = a_sum + high + 1;
  uint32_t *middle = b_sum + high + 1;
  memcpy(a_sum, a + low, high * sizeof *a);
  memcpy(b_sum, b + low, high * sizeof *b);
  add_digits(a_sum, a, low);
  add_digits(b_sum, b, low);
  multiply_digits(a_sum, b_sum, high + 1, middle);
  multiply_digits(a, b, low, out);
  multiply_digits(a + low, b + low, high, out + 2 * low);
  subtract_digits(middle, out, 2 * low);
  subtract_digits(middle, out + 2 * low, 2 * high);
  size_t length = 2 * (high + 1);
  while (length > 0 && middle[length - 1] == 0) --length;
  add_digits(out + low, middle, length);
  free(scratch.digit);
}

static Number multiply(Number a, Number b) {
  const size_t size = longer(a, b);
  Number x = padded(a, size);
  Number y = padded(b, size);
  Number product = zeroes(2 * size);
  multiply_digits(x.digit, y.digit, size, product.digit);
  free(x.digit);
  free(y.digit);
  trim(&product);
  return product;
}

static void multiply_small(Number *n, uint32_t factor) {
  Number product = zeroes(n->size + 1);
  uint64_t carry = 0;
  for (size_t i = 0; i < n->size; ++i) {
    carry += (uint64_t)n->digit[i] * factor;
    product.digit[i] = (uint32_t)carry;
    carry >>= 32;
  }
  product.digit[n->size] = (uint32_t)carry;
  trim(&product);
  replace(n, product);
}

// Returns the remainder.
static uint32_t divide_small(Number *n, uint32_t divisor) {
  uint64_t rest = 0;
  for (size_t i = n->size; i-- > 0;) {
    rest = rest << 32 | n->digit[i];
    n->digit[i] = (uint32_t)(rest / divisor);
    rest %= divisor;
  }
  trim(n);
  return (uint32_t)rest;
}

// a / b, b not 0; the remainder goes to `rest`. Bit by bit.
static Number divide(Number a, Number b, Number *rest) {
  Number quotient = zeroes(a.size);
  Number left = zeroes(b.size + 1);
  left.size = 0;
  for (size_t bit = 32 * a.size; bit-- > 0;) {
    uint32_t carry = a.digit[bit / 32] >> bit % 32 & 1;
    for (size_t i = 0; i < left.size; ++i) {
      const uint32_t next = left.digit[i] >> 31;
      left.digit[i] = left.digit[i] << 1 | carry;
      carry = next;
    }
    if (carry) left.digit[left.size++] = carry;
    if (compare(left, b) < 0) continue;
    subtract_digits(left.digit, b.digit, b.size);
    trim(&left);
    quotient.digit[bit / 32] |= 1u << bit % 32;
  }
  trim(&quotient);
  *rest = left;
  return quotient;
}

static Number power_modulo(uint32_t base, Number exponent, Number modulus) {
  Number result = from_small(1);
  for (size_t bit = 32 * exponent.size; bit-- > 0;) {
    Number square = multiply(result, result);
    if (exponent.digit[bit / 32] >> bit % 32 & 1) multiply_small(&square, base);
    Number rest;
    Number quotient = divide(square, modulus, &rest);
    free(quotient.digit);
    free(square.digit);
    replace(&result, rest);
  }
  return result;
}

// The caller frees it.
static char *to_text(Number n) {
  const size_t capacity = 10 * n.size + 2;
  char *text = malloc(capacity);
  if (!text) exit(2);
  size_t at = capacity - 1;
  text[at] = '\0';
  Number left = padded(n, n.size);
  do {
    uint32_t part = divide_small(&left, 1000000000);
    // The leading part is as long as it is, the others have all of their zeroes.
    for (int i = 0; left.size > 0 ? i < 9 : part > 0 || i == 0; ++i, part /= 10) {
      text[--at] = (char)('0' + part % 10);
    }
  } while (left.size > 0);
  free(left.digit);
  memmove(text, text + at, capacity - at);
  return text;
}

static void print(const char *name, Number n) {
  char *text = to_text(n);
  const size_t length = strlen(text);
  unsigned sum = 0;
  for (size_t i = 0; i < length; ++i) sum += (unsigned)(text[i] - '0');
  printf("%s: %zu digits, their sum %u, %.12s...%s\n", name, length, sum, text,
         text + (length > 12 ? length - 12 : 0));
  free(text);
}

static Number factorial(uint32_t n) {
  Number product = from_small(1);
  for (uint32_t i = 2; i <= n; ++i) multiply_small(&product, i);
  return product;
}

// F(n) and F(n + 1), from those of n / 2.
static void fibonacci(uint32_t n, Number *first, Number *second) {
  if (n == 0) {
    *first = from_small(0);
    *second = from_small(1);
    return;
  }
  Number a, b;
  fibonacci(n / 2, &a, &b);
  Number twice = add(b, b);
  Number inner = subtract(twice, a);
  Number even = multiply(a, inner);
  Number a_square = multiply(a, a);
  Number b_square = multiply(b, b);
  Number odd = add(a_square, b_square);
  if (n % 2 == 0) {
    *first = even;
    *second = odd;
  } else {
    *first = odd;
    *second = add(even, odd);
    free(even.digit);
  }
  free(a.digit);
  free(b.digit);
  free(twice.digit);
  free(inner.digit);
  free(a_square.digit);
  free(b_square.digit);
}

// one / x - one / (3 x^3) + ...: the arc tangent of 1 / x.
static Number arc_cotangent(Number one, uint32_t x) {
  Number term = padded(one, one.size);
  divide_small(&term, x);
  Number sum = padded(term, term.size);
  for (uint32_t n = 3; term.size > 0; n += 2) {
    divide_small(&term, x * x);
    Number part = padded(term, term.size);
    divide_small(&part, n);
    replace(&sum, n % 4 == 3 ? subtract(sum, part) : add(sum, part));
    free(part.digit);
  }
  free(term.digit);
  return sum;
}

// By Machin: pi = 16 arccot 5 - 4 arccot 239; with 8 more digits, which are cut off in the end.
static Number pi_digits(uint32_t digits) {
  Number one = from_small(1);
  for (uint32_t i = 0; i < digits + 8; ++i) multiply_small(&one, 10);
  Number large = arc_cotangent(one, 5);
  Number small = arc_cotangent(one, 239);
  multiply_small(&large, 16);
  multiply_small(&small, 4);
  Number pi = subtract(large, small);
  divide_small(&pi, 100000000);
  free(one.digit);
  free(large.digit);
  free(small.digit);
  return pi;
}

// Whether 3^(n - 1) = 1 modulo n = 2^bits - 1.
static int passes_fermat(uint32_t bits) {
  Number one = from_small(1);
  Number n = from_small(1);
  for (uint32_t i = 0; i < bits; ++i) multiply_small(&n, 2);
  replace(&n, subtract(n, one));
  Number exponent = subtract(n, one);
  Number power = power_modulo(3, exponent, n);
  const int passes = compare(power, one) == 0;
  free(one.digit);
  free(n.digit);
  free(exponent.digit);
  free(power.digit);
  return passes;
}

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 100) return 2;
  const uint32_t factor = (uint32_t)scale;
  Number a = factorial(400 * factor);
  Number b, c;
  fibonacci(20000 * factor, &b, &c);
  Number pi = pi_digits(600 * factor);
  print("factorial", a);
  print("fibonacci", b);
  print("pi", pi);

  // (a b + pi) / b is a, and pi is left.
  Number product = multiply(a, b);
  Number sum = add(product, pi);
  Number rest;
  Number quotient = divide(sum, b, &rest);
  const int good = compare(quotient, a) == 0 && compare(rest, pi) == 0;
  printf("division %s; 2^n - 1 is likely a prime for n =", good ? "agrees" : "is wrong");
  for (uint32_t n = 3; n < 64 + 45 * factor; ++n) {
    if (passes_fermat(n)) printf(" %u", (unsigned)n);
  }
  printf("\n");
  free(a.digit);
  free(b.digit);
  free(c.digit);
  free(pi.digit);
  free(product.digit);
  free(sum.digit);
  free(rest.digit);
  free(quotient.digit);
  return good ? 0 : 1;
}
