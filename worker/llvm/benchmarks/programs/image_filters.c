// Filters on a grey image: median, blur, edges, histogram equalisation and a rotation.
//
// Small integers and single-precision floats in long inner loops, which compilers can vectorise.
// The argument repeats the filters.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kWidth = 160, kHeight = 120, kPixels = kWidth * kHeight };

typedef uint8_t Image[kHeight][kWidth];

static int clamp(int value, int low, int high) {
  return value < low ? low : value > high ? high : value;
}

// Rings, a gradient and some noise.
static void draw(Image image, uint32_t *state) {
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const int dx = x - kWidth / 2;
      const int dy = y - kHeight / 2;
      const int ring = (dx * dx + dy * dy) / 1600 % 2 ? 90 : 0;
      *state = *state * 1664525u + 1013904223u;
      const int noise = *state >> 28 == 0 ? (int)(*state >> 20 & 127) : 0;
      image[y][x] = (uint8_t)clamp(x / 2 + ring + noise, 0, 255);
    }
  }
}

// 1 4 6 4 1 in both directions, in integers.
static void blur(Image from, Image to) {
  static uint16_t rows[kHeight][kWidth];
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const int far_left = clamp(x - 2, 0, kWidth - 1);
      const int left = clamp(x - 1, 0, kWidth - 1);
      const int right = clamp(x + 1, 0, kWidth - 1);
      const int far_right = clamp(x + 2, 0, kWidth - 1);
      rows[y][x] = (uint16_t)(from[y][far_left] + from[y][far_right] + 6 * from[y][x] +
                              4 * (from[y][left] + from[y][right]));
    }
  }
  for (int y = 0; y < kHeight; ++y) {
    const uint16_t *far_above = rows[clamp(y - 2, 0, kHeight - 1)];
    const uint16_t *above = rows[clamp(y - 1, 0, kHeight - 1)];
    const uint16_t *below = rows[clamp(y + 1, 0, kHeight - 1)];
    const uint16_t *far_below = rows[clamp(y + 2, 0, kHeight - 1)];
    for (int x = 0; x < kWidth; ++x) {
      const int sum = far_above[x] + far_below[x] + 4 * (above[x] + below[x]) + 6 * rows[y][x];
      to[y][x] = (uint8_t)((sum + 128) / 256);
    }
  }
}

// The length of the gradient, roughly: |dx| + |dy| after Sobel.
static void edges(Image from, Image to) {
  memset(to, 0, sizeof(Image));
  for (int y = 1; y + 1 < kHeight; ++y) {
    for (int x = 1; x + 1 < kWidth; ++x) {
      const int dx = from[y - 1][x + 1] + 2 * from[y][x + 1] + from[y + 1][x + 1] -
                     from[y - 1][x - 1] - 2 * from[y][x - 1] - from[y + 1][x - 1];
      const int dy = from[y + 1][x - 1] + 2 * from[y + 1][x] + from[y + 1][x + 1] -
                     from[y - 1][x - 1] - 2 * from[y - 1][x] - from[y - 1][x + 1];
      to[y][x] = (uint8_t)clamp((abs(dx) + abs(dy)) / 2, 0, 255);
    }
  }
}

// Of 3 by 3 pixels, by sorting the lower half of them.
static void median(Image from, Image to) {
  memcpy(to, from, sizeof(Image));
  for (int y = 1; y + 1 < kHeight; ++y) {
    for (int x = 1; x + 1 < kWidth; ++x) {
      uint8_t around[9];
      for (int i = 0; i < 9; ++i) around[i] = from[y + i / 3 - 1][x + i % 3 - 1];
      for (int i = 0; i < 5; ++i) {
        int least = i;
        for (int j = i + 1; j < 9; ++j) {
          if (around[j] < around[least]) least = j;
        }
        const uint8_t kept = around[i];
        around[i] = around[least];
        around[least] = kept;
      }
      to[y][x] = around[4];
    }
  }
}

static void equalise(Image from, Image to) {
  int histogram[256] = {0};
  uint8_t level[256];
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) ++histogram[from[y][x]];
  }
  int below = 0;
  for (int i = 0; i < 256; ++i) {
    below += histogram[i];
    level[i] = (uint8_t)((below * 255 + kPixels / 2) / kPixels);
  }
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) to[y][x] = level[from[y][x]];
  }
}

// Rotates about the centre by the angle of this cosine and sine; between pixels, the four around
// are weighed.
static void rotate(Image from, Image to, float cosine, float sine) {
  memset(to, 0, sizeof(Image));
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const float dx = (float)(x - kWidth / 2);
      const float dy = (float)(y - kHeight / 2);
      const float source_x = cosine * dx - sine * dy + (float)(kWidth / 2);
      const float source_y = sine * dx + cosine * dy + (float)(kHeight / 2);
      if (source_x < 0 || source_y < 0) continue;
      const int left = (int)source_x;
      const int top = (int)source_y;
      if (left + 1 >= kWidth || top + 1 >= kHeight) continue;
      const float right_part = source_x - (float)left;
      const float lower_part = source_y - (float)top;
      const float upper = from[top][left] * (1 - right_part) + from[top][left + 1] * right_part;
      const float lower =
          from[top + 1][left] * (1 - right_part) + from[top + 1][left + 1] * right_part;
      to[y][x] = (uint8_t)(upper * (1 - lower_part) + lower * lower_part + 0.5f);
    }
  }
}

static void print(const char *name, Image image) {
  uint32_t digest = 2166136261u;
  long sum = 0;
  int brightest = 0;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      digest = (digest ^ image[y][x]) * 16777619u;
      sum += image[y][x];
      if (image[y][x] > brightest) brightest = image[y][x];
    }
  }
  printf("%-9s mean %3ld, brightest %3d, digest %08x\n", name, sum / kPixels, brightest,
         (unsigned)digest);
}

int main(int argc, char **argv) {
  const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (rounds < 1 || rounds > 1000) return 2;
  static Image original, clean, smooth, outline, even, turned, back;
  uint32_t state = 5;
  for (long round = 0; round < 12 * rounds; ++round) {
    draw(original, &state);
    median(original, clean);
    blur(clean, smooth);
    edges(smooth, outline);
    equalise(smooth, even);
    // To and fro by an angle whose sine is 3/5.
    rotate(even, turned, 0.8f, 0.6f);
    rotate(turned, back, 0.8f, -0.6f);
  }
  print("original", original);
  print("median", clean);
  print("blur", smooth);
  print("edges", outline);
  print("equalised", even);
  // The middle of the picture is then nearly what it was.
  long difference = 0;
  for (int y = kHeight / 4; y < kHeight * 3 / 4; ++y) {
    for (int x = kWidth / 4; x < kWidth * 3 / 4; ++x) difference += abs(back[y][x] - even[y][x]);
  }
  const double mean = (double)difference / (kPixels / 4);
  printf("turned to and fro, pixels differ by %.3f\n", mean);
  return mean < 5 ? 0 : 1;
}
