// Bodies that attract each other, in double precision: leapfrog steps, softened gravity.
//
// A heavy sun with rings of planets. Energy and angular momentum must stay what they are. The
// argument multiplies the number of steps.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { kBodies = 40, kSteps = 900 };
static const double kTimeStep = 0.001;
static const double kSoftening = 1e-4;

typedef struct {
  double x, y, z;
} Vector;

typedef struct {
  Vector position;
  Vector velocity;
  Vector acceleration;
  double mass;
} Body;

static Vector add(Vector a, Vector b) { return (Vector){a.x + b.x, a.y + b.y, a.z + b.z}; }
static Vector scale(double factor, Vector a) {
  return (Vector){factor * a.x, factor * a.y, factor * a.z};
}
static double dot(Vector a, Vector b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static Vector cross(Vector a, Vector b) {
  return (Vector){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static void make_bodies(Body *bodies) {
  bodies[0] = (Body){{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, 1};
  Vector momentum = {0, 0, 0};
  for (int i = 1; i < kBodies; ++i) {
    const double radius = 0.5 + 0.05 * i;
    const double angle = 2.399963 * i;  // No two planets in a line with the sun.
    const double tilt = 0.02 * (i % 5 - 2);
    const double speed = sqrt(1 / radius);
    Body *body = &bodies[i];
    body->mass = 1e-4 * (1 + i % 3);
    body->position = (Vector){radius * cos(angle), radius * sin(angle), tilt * radius};
    body->velocity = (Vector){-speed * sin(angle), speed * cos(angle), 0};
    momentum = add(momentum, scale(body->mass, body->velocity));
  }
  // The centre of gravity stays where it is.
  bodies[0].velocity = scale(-1 / bodies[0].mass, momentum);
}

static void accelerate(Body *bodies) {
  for (int i = 0; i < kBodies; ++i) bodies[i].acceleration = (Vector){0, 0, 0};
  for (int i = 0; i < kBodies; ++i) {
    for (int j = i + 1; j < kBodies; ++j) {
      const Vector apart = add(bodies[j].position, scale(-1, bodies[i].position));
      const double square = dot(apart, apart) + kSoftening;
      const double strength = 1 / (square * sqrt(square));
      bodies[i].acceleration = add(bodies[i].acceleration, scale(strength * bodies[j].mass, apart));
      bodies[j].acceleration =
          add(bodies[j].acceleration, scale(-strength * bodies[i].mass, apart));
    }
  }
}

static void step(Body *bodies) {
  for (int i = 0; i < kBodies; ++i) {
    Body *body = &bodies[i];
    body->velocity = add(body->velocity, scale(kTimeStep / 2, body->acceleration));
    body->position = add(body->position, scale(kTimeStep, body->velocity));
  }
  accelerate(bodies);
  for (int i = 0; i < kBodies; ++i) {
    Body *body = &bodies[i];
    body->velocity = add(body->velocity, scale(kTimeStep / 2, body->acceleration));
  }
}

static double energy(const Body *bodies) {
  double sum = 0;
  for (int i = 0; i < kBodies; ++i) {
    sum += bodies[i].mass * dot(bodies[i].velocity, bodies[i].velocity) / 2;
    for (int j = i + 1; j < kBodies; ++j) {
      const Vector apart = add(bodies[j].position, scale(-1, bodies[i].position));
      sum -= bodies[i].mass * bodies[j].mass / sqrt(dot(apart, apart) + kSoftening);
    }
  }
  return sum;
}

static Vector angular_momentum(const Body *bodies) {
  Vector sum = {0, 0, 0};
  for (int i = 0; i < kBodies; ++i) {
    sum = add(sum, scale(bodies[i].mass, cross(bodies[i].position, bodies[i].velocity)));
  }
  return sum;
}

int main(int argc, char **argv) {
  const long times = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (times < 1 || times > 1000) return 2;
  static Body bodies[kBodies];
  make_bodies(bodies);
  accelerate(bodies);
  const double energy_before = energy(bodies);
  const Vector spin_before = angular_momentum(bodies);
  for (long i = 0; i < times * kSteps; ++i) step(bodies);
  const double energy_after = energy(bodies);
  const Vector spin_after = angular_momentum(bodies);

  // Few digits: how the compiler rounds in between may show in the last ones.
  printf("energy %.7f, then %.7f\n", energy_before, energy_after);
  printf("spin (%.6f, %.6f, %.6f)\n", spin_after.x, spin_after.y, spin_after.z);
  for (int i = 3; i < kBodies; i += 12) {
    const Vector at = bodies[i].position;
    printf("body %d at (%.5f, %.5f, %.5f)\n", i, at.x, at.y, at.z);
  }
  const Vector change = add(spin_after, scale(-1, spin_before));
  return fabs(energy_after - energy_before) < 1e-5 && dot(change, change) < 1e-18 ? 0 : 1;
}
