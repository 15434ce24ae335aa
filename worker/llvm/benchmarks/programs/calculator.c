// An interpreter of arithmetic: recursive-descent parser, expression trees in an arena, variables.
//
// Runs a small built-in program of assignments and loops; exits with 0 if its results are right.
// The argument repeats it.
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kMaxNodes = 4096, kMaxVariables = 64, kMaxName = 16 };

typedef enum {
  kNumber,
  kVariable,
  kNegate,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kRemainder,
  kPower,
  kLess,
  kEqual,
  kAssign,
  kWhile,
  kSequence
} Kind;

typedef struct Node {
  Kind kind;
  double number;
  int variable;
  struct Node *left;
  struct Node *right;
} Node;

typedef struct {
  const char *text;
  jmp_buf on_error;
  const char *error;
  Node nodes[kMaxNodes];
  int node_count;
  char names[kMaxVariables][kMaxName];
  double values[kMaxVariables];
  int variable_count;
  long steps;
} Machine;

static void fail(Machine *machine, const char *message) {
  machine->error = message;
  longjmp(machine->on_error, 1);
}

static Node *new_node(Machine *machine, Kind kind, Node *left, Node *right) {
  if (machine->node_count == kMaxNodes) fail(machine, "program too long");
  Node *node = &machine->nodes[machine->node_count++];
  node->kind = kind;
  node->number = 0;
  node->variable = -1;
  node->left = left;
  node->right = right;
  return node;
}

static void skip_blanks(Machine *machine) {
  while (isspace((unsigned char)*machine->text)) ++machine->text;
}

static int accept(Machine *machine, const char *token) {
  skip_blanks(machine);
  const size_t length = strlen(token);
  if (strncmp(machine->text, token, length) != 0) return 0;
  if (isalpha((unsigned char)*token) && isalnum((unsigned char)machine->text[length])) return 0;
  machine->text += length;
  return 1;
}

static void expect(Machine *machine, const char *token) {
  if (!accept(machine, token)) fail(machine, "unexpected token");
}

static int variable_named(Machine *machine, const char *name, size_t length) {
  if (length >= kMaxName) fail(machine, "name too long");
  for (int i = 0; i < machine->variable_count; ++i) {
    if (strlen(machine->names[i]) == length && memcmp(machine->names[i], name, length) == 0) {
      return i;
    }
  }
  if (machine->variable_count == kMaxVariables) fail(machine, "too many variables");
  const int index = machine->variable_count++;
  memcpy(machine->names[index], name, length);
  machine->names[index][length] = '\0';
  machine->values[index] = 0;
  return index;
}

static Node *parse_expression(Machine *machine);

static Node *parse_primary(Machine *machine) {
  skip_blanks(machine);
  if (accept(machine, "(")) {
    Node *inner = parse_expression(machine);
    expect(machine, ")");
    return inner;
  }
  if (accept(machine, "-")) return new_node(machine, kNegate, parse_primary(machine), NULL);
  if (isdigit((unsigned char)*machine->text)) {
    char *end;
    Node *node = new_node(machine, kNumber, NULL, NULL);
    node->number = strtod(machine->text, &end);
    machine->text = end;
    return node;
  }
  if (isalpha((unsigned char)*machine->text)) {
    const char *name = machine->text;
    while (isalnum((unsigned char)*machine->text)) ++machine->text;
    Node *node = new_node(machine, kVariable, NULL, NULL);
    node->variable = variable_named(machine, name, (size_t)(machine->text - name));
    return node;
  }
  fail(machine, "a value was expected");
  return NULL;
}

static Node *parse_power(Machine *machine) {
  Node *base = parse_primary(machine);
  if (accept(machine, "^")) return new_node(machine, kPower, base, parse_power(machine));
  return base;
}

static Node *parse_product(Machine *machine) {
  Node *left = parse_power(machine);
  for (;;) {
    if (accept(machine, "*")) {
      left = new_node(machine, kMultiply, left, parse_power(machine));
    } else if (accept(machine, "/")) {
      left = new_node(machine, kDivide, left, parse_power(machine));
    } else if (accept(machine, "%")) {
      left = new_node(machine, kRemainder, left, parse_power(machine));
    } else {
      return left;
    }
  }
}

static Node *parse_sum(Machine *machine) {
  Node *left = parse_product(machine);
  for (;;) {
    if (accept(machine, "+")) {
      left = new_node(machine, kAdd, left, parse_product(machine));
    } else if (accept(machine, "-")) {
      left = new_node(machine, kSubtract, left, parse_product(machine));
    } else {
      return left;
    }
  }
}

static Node *parse_expression(Machine *machine) {
  Node *left = parse_sum(machine);
  if (accept(machine, "<")) return new_node(machine, kLess, left, parse_sum(machine));
  if (accept(machine, "==")) return new_node(machine, kEqual, left, parse_sum(machine));
  return left;
}

static Node *parse_statement(Machine *machine);

static Node *parse_block(Machine *machine) {
  Node *all = NULL;
  expect(machine, "{");
  while (!accept(machine, "}")) {
    Node *one = parse_statement(machine);
    all = all ? new_node(machine, kSequence, all, one) : one;
  }
  if (!all) fail(machine, "empty block");
  return all;
}

static Node *parse_statement(Machine *machine) {
  if (accept(machine, "while")) {
    Node *condition = parse_expression(machine);
    return new_node(machine, kWhile, condition, parse_block(machine));
  }
  Node *target = parse_primary(machine);
  if (target->kind != kVariable) fail(machine, "only variables can be assigned");
  expect(machine, "=");
  Node *assignment = new_node(machine, kAssign, target, parse_expression(machine));
  expect(machine, ";");
  return assignment;
}

static double evaluate(Machine *machine, const Node *node) {
  ++machine->steps;
  switch (node->kind) {
    case kNumber:
      return node->number;
    case kVariable:
      return machine->values[node->variable];
    case kNegate:
      return -evaluate(machine, node->left);
    case kAdd:
      return evaluate(machine, node->left) + evaluate(machine, node->right);
    case kSubtract:
      return evaluate(machine, node->left) - evaluate(machine, node->right);
    case kMultiply:
      return evaluate(machine, node->left) * evaluate(machine, node->right);
    case kDivide: {
      const double divisor = evaluate(machine, node->right);
      if (divisor == 0) fail(machine, "division by zero");
      return evaluate(machine, node->left) / divisor;
    }
    case kRemainder: {
      const double divisor = evaluate(machine, node->right);
      if (divisor == 0) fail(machine, "division by zero");
      return fmod(evaluate(machine, node->left), divisor);
    }
    case kPower:
      return pow(evaluate(machine, node->left), evaluate(machine, node->right));
    case kLess:
      return evaluate(machine, node->left) < evaluate(machine, node->right);
    case kEqual:
      return evaluate(machine, node->left) == evaluate(machine, node->right);
    case kAssign:
      return machine->values[node->left->variable] = evaluate(machine, node->right);
    case kWhile: {
      double last = 0;
      while (evaluate(machine, node->left) != 0) last = evaluate(machine, node->right);
      return last;
    }
    case kSequence:
      evaluate(machine, node->left);
      return evaluate(machine, node->right);
  }
  return 0;
}

// Runs `text`; returns the error, or NULL.
static const char *run(Machine *machine, const char *text) {
  memset(machine, 0, sizeof *machine);
  machine->text = text;
  if (setjmp(machine->on_error)) return machine->error;
  while (skip_blanks(machine), *machine->text) evaluate(machine, parse_statement(machine));
  return NULL;
}

static double value_named(Machine *machine, const char *name) {
  return machine->values[variable_named(machine, name, strlen(name))];
}

static const char kProgram[] =
    "n = 0; primes = 0; sum = 0;"
    "while n < 2000 {"
    "  n = n + 1; divisor = 2; prime = 1 < n;"
    "  while divisor * divisor < n + 1 {"
    "    prime = prime * (1 - (n % divisor == 0));"
    "    divisor = divisor + 1;"
    "  }"
    "  primes = primes + prime; sum = sum + prime * n;"
    "}"
    "root = 1; i = 0;"
    "while i < 30 { root = (root + 2 / root) / 2; i = i + 1; }"
    "power = 2 ^ 3 ^ 2 - -1;";

int main(int argc, char **argv) {
  const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (rounds < 1 || rounds > 1000) return 2;
  static Machine machine;
  const char *error = NULL;
  for (long i = 0; !error && i < 4 * rounds; ++i) error = run(&machine, kProgram);
  if (error) {
    printf("error: %s\n", error);
    return 1;
  }
  const double primes = value_named(&machine, "primes");
  const double sum = value_named(&machine, "sum");
  const double root = value_named(&machine, "root");
  const double power = value_named(&machine, "power");
  printf("%.0f primes, sum %.0f, root %.9f, power %.0f, in %ld steps\n", primes, sum, root, power,
         machine.steps);
  const int caught = run(&machine, "x = 1 / (2 - 2);") != NULL && run(&machine, "3 = x;") != NULL;
  return primes == 303 && sum == 277050 && fabs(root * root - 2) < 1e-9 && power == 513 && caught
             ? 0
             : 1;
}
