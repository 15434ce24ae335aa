// Dense linear algebra on doubles: product by blocks, LU decomposition with pivoting, conjugate
// gradients. Exits with 0 if all residuals are small. The argument repeats all with other matrices.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { kN = 96, kBlock = 16 };

typedef double Matrix[kN][kN];

static double random_unit(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 33) / (double)(1u << 31) - 0.5;
}

static void fill(Matrix a, uint64_t seed) {
  for (int i = 0; i < kN; ++i) {
    for (int j = 0; j < kN; ++j) a[i][j] = random_unit(&seed);
  }
}

static void multiply(Matrix a, Matrix b, Matrix product) {
  for (int i = 0; i < kN; ++i) {
    for (int j = 0; j < kN; ++j) product[i][j] = 0;
  }
  for (int kk = 0; kk < kN; kk += kBlock) {
    for (int jj = 0; jj < kN; jj += kBlock) {
      for (int i = 0; i < kN; ++i) {
        for (int k = kk; k < kk + kBlock; ++k) {
          const double factor = a[i][k];
          for (int j = jj; j < jj + kBlock; ++j) product[i][j] += factor * b[k][j];
        }
      }
    }
  }
}

static void multiply_vector(Matrix a, const double *x, double *y) {
  for (int i = 0; i < kN; ++i) {
    double sum = 0;
    for (int j = 0; j < kN; ++j) sum += a[i][j] * x[j];
    y[i] = sum;
  }
}

static double dot(const double *x, const double *y) {
  double sum = 0;
  for (int i = 0; i < kN; ++i) sum += x[i] * y[i];
  return sum;
}

// Leaves L below the diagonal of `a` and U on and above it; returns the determinant's sign or 0.
static int decompose(Matrix a, int *pivots) {
  int sign = 1;
  for (int column = 0; column < kN; ++column) {
    int best = column;
    for (int row = column + 1; row < kN; ++row) {
      if (fabs(a[row][column]) > fabs(a[best][column])) best = row;
    }
    pivots[column] = best;
    if (a[best][column] == 0) return 0;
    if (best != column) {
      sign = -sign;
      for (int j = 0; j < kN; ++j) {
        const double kept = a[best][j];
        a[best][j] = a[column][j];
        a[column][j] = kept;
      }
    }
    for (int row = column + 1; row < kN; ++row) {
      const double factor = a[row][column] / a[column][column];
      a[row][column] = factor;
      for (int j = column + 1; j < kN; ++j) a[row][j] -= factor * a[column][j];
    }
  }
  return sign;
}

static void solve(Matrix lu, const int *pivots, double *x) {
  for (int i = 0; i < kN; ++i) {
    const double kept = x[pivots[i]];
    x[pivots[i]] = x[i];
    x[i] = kept;
  }
  for (int i = 1; i < kN; ++i) {
    for (int j = 0; j < i; ++j) x[i] -= lu[i][j] * x[j];
  }
  for (int i = kN - 1; i >= 0; --i) {
    for (int j = i + 1; j < kN; ++j) x[i] -= lu[i][j] * x[j];
    x[i] /= lu[i][i];
  }
}

// Solves a x = b for a symmetric positive definite `a`; returns the number of iterations.
static int conjugate_gradients(Matrix a, const double *b, double *x) {
  double residual[kN], direction[kN], image[kN];
  for (int i = 0; i < kN; ++i) {
    x[i] = 0;
    residual[i] = direction[i] = b[i];
  }
  double square = dot(residual, residual);
  int iterations = 0;
  while (square > 1e-24 && iterations < 4 * kN) {
    multiply_vector(a, direction, image);
    const double step = square / dot(direction, image);
    for (int i = 0; i < kN; ++i) {
      x[i] += step * direction[i];
      residual[i] -= step * image[i];
    }
    const double next = dot(residual, residual);
    for (int i = 0; i < kN; ++i) direction[i] = residual[i] + next / square * direction[i];
    square = next;
    ++iterations;
  }
  return iterations;
}

static double largest_difference(const double *x, const double *y) {
  double largest = 0;
  for (int i = 0; i < kN; ++i) largest = fmax(largest, fabs(x[i] - y[i]));
  return largest;
}

static Matrix a, b, c, lu;

// Solves two systems by the two methods; returns the larger residual, -1 if a matrix is singular.
static double solve_both(uint64_t seed, int *iterations) {
  double right[kN], x[kN], image[kN];
  int pivots[kN];
  fill(a, seed);
  for (int i = 0; i < kN; ++i) {
    right[i] = x[i] = (double)(i % 7) - 3;
    for (int j = 0; j < kN; ++j) {
      lu[i][j] = a[i][j];
      b[i][j] = a[j][i];
    }
  }
  if (decompose(lu, pivots) == 0) return -1;
  solve(lu, pivots, x);
  multiply_vector(a, x, image);
  const double direct = largest_difference(image, right);

  // a times its transpose, plus the unit matrix, is symmetric and positive definite.
  multiply(a, b, c);
  for (int i = 0; i < kN; ++i) c[i][i] += 1;
  *iterations += conjugate_gradients(c, right, x);
  multiply_vector(c, x, image);
  return fmax(direct, largest_difference(image, right));
}

int main(int argc, char **argv) {
  const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (rounds < 1 || rounds > 1000) return 2;
  double largest = 0;
  int iterations = 0;
  for (long i = 1; i <= 8 * rounds; ++i) {
    const double residual = solve_both((uint64_t)i, &iterations);
    if (residual < 0) return 1;
    largest = fmax(largest, residual);
  }
  double trace = 0;
  for (int i = 0; i < kN; ++i) trace += c[i][i];
  printf("trace %.9f, residuals %s 1e-9, %d iterations of conjugate gradients\n", trace,
         largest < 1e-9 ? "below" : "ABOVE", iterations);
  return largest < 1e-9 ? 0 : 1;
}
