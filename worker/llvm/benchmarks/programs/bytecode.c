// A stack machine: an assembler for a small text language, and an interpreter of its bytecode.
//
// Runs programs with loops, recursion and memory, checks their results, and that broken programs
// are refused. The argument multiplies how often each runs.
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kMaxCode = 1024, kMaxLabels = 32, kMaxName = 12, kStack = 512, kMemory = 4096 };

typedef enum {
  kPush,  // A number follows.
  kPop,
  kDup,
  kSwap,
  kOver,
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kAnd,
  kXor,
  kShr,
  kLess,
  kEqual,
  kLoad,
  kStore,
  kJump,    // A position follows.
  kUnless,  // Jumps there if the top is 0.
  kCall,
  kReturn,
  kHalt,
  kOpcodes
} Opcode;

static const struct {
  const char *name;
  int has_operand;
  size_t pops;
  size_t pushes;
} kInstructions[kOpcodes] = {
    [kPush] = {"push", 1, 0, 1},     [kPop] = {"pop", 0, 1, 0},     [kDup] = {"dup", 0, 1, 2},
    [kSwap] = {"swap", 0, 2, 2},     [kOver] = {"over", 0, 2, 3},   [kAdd] = {"add", 0, 2, 1},
    [kSub] = {"sub", 0, 2, 1},       [kMul] = {"mul", 0, 2, 1},     [kDiv] = {"div", 0, 2, 1},
    [kMod] = {"mod", 0, 2, 1},       [kAnd] = {"and", 0, 2, 1},     [kXor] = {"xor", 0, 2, 1},
    [kShr] = {"shr", 0, 2, 1},       [kLess] = {"less", 0, 2, 1},   [kEqual] = {"equal", 0, 2, 1},
    [kLoad] = {"load", 0, 1, 1},     [kStore] = {"store", 0, 2, 0}, [kJump] = {"jump", 1, 0, 0},
    [kUnless] = {"unless", 1, 1, 0}, [kCall] = {"call", 1, 0, 0},   [kReturn] = {"return", 0, 0, 0},
    [kHalt] = {"halt", 0, 1, 0},
};

typedef struct {
  uint32_t code[kMaxCode];
  size_t size;
} Program;

// Assembler ---------------------------------------------------------------------------------------

typedef struct {
  char name[kMaxName];
  size_t position;
} Label;

// The next word of the text; 0 if there is none.
static int next_word(const char **text, char *word) {
  while (isspace((unsigned char)**text)) ++*text;
  size_t length = 0;
  for (; **text && !isspace((unsigned char)**text); ++*text) {
    if (length + 1 < kMaxName) word[length++] = **text;
  }
  word[length] = '\0';
  return length > 0;
}

static int find_label(const Label *labels, int count, const char *name, uint32_t *position) {
  for (int i = 0; i < count; ++i) {
    if (strcmp(labels[i].name, name) != 0) continue;
    *position = (uint32_t)labels[i].position;
    return 1;
  }
  return 0;
}

static int find_opcode(const char *name) {
  for (int i = 0; i < kOpcodes; ++i) {
    if (strcmp(kInstructions[i].name, name) == 0) return i;
  }
  return -1;
}

// In two passes: the first finds the labels, words that end with a colon. Returns NULL, or what is
// wrong.
static const char *assemble(const char *source, Program *program) {
  Label labels[kMaxLabels];
  int label_count = 0;
  for (int pass = 0; pass < 2; ++pass) {
    const char *text = source;
    char word[kMaxName];
    program->size = 0;
    while (next_word(&text, word)) {
      const size_t length = strlen(word);
      if (word[length - 1] == ':') {
        if (pass == 1) continue;
        if (label_count == kMaxLabels) return "too many labels";
        word[length - 1] = '\0';
        memcpy(labels[label_count].name, word, length);
        labels[label_count++].position = program->size;
        continue;
      }
      const int opcode = find_opcode(word);
      if (opcode < 0) return "unknown instruction";
      if (program->size + 2 > kMaxCode) return "too long";
      program->code[program->size++] = (uint32_t)opcode;
      if (!kInstructions[opcode].has_operand) continue;
      if (!next_word(&text, word)) return "operand missing";
      uint32_t operand = 0;
      if (opcode == kPush) {
        operand = (uint32_t)strtoul(word, NULL, 10);
      } else if (!find_label(labels, label_count, word, &operand) && pass == 1) {
        return "unknown label";
      }
      program->code[program->size++] = operand;
    }
  }
  return NULL;
}

// Interpreter -------------------------------------------------------------------------------------

typedef struct {
  uint32_t stack[kStack];
  uint32_t calls[kStack];
  uint32_t memory[kMemory];
  unsigned long steps;
} Machine;

// Returns NULL, or what went wrong; the result is what the program leaves on top of the stack.
static const char *run(Machine *machine, const Program *program, uint32_t *result) {
  uint32_t *stack = machine->stack;
  size_t depth = 0;
  size_t call_depth = 0;
  size_t at = 0;
  memset(machine->memory, 0, sizeof machine->memory);
  while (at < program->size) {
    const Opcode opcode = (Opcode)program->code[at++];
    const uint32_t operand = kInstructions[opcode].has_operand ? program->code[at++] : 0;
    if (depth < kInstructions[opcode].pops) return "stack underflow";
    const uint32_t b = depth > 0 ? stack[depth - 1] : 0;
    const uint32_t a = depth > 1 ? stack[depth - 2] : 0;
    depth -= kInstructions[opcode].pops;
    if (depth + kInstructions[opcode].pushes > kStack) return "stack overflow";
    uint32_t *top = stack + depth;
    ++machine->steps;
    switch (opcode) {
      case kPush:
        top[0] = operand;
        break;
      case kPop:
        break;
      case kDup:
        top[0] = top[1] = b;
        break;
      case kSwap:
        top[0] = b;
        top[1] = a;
        break;
      case kOver:
        top[2] = a;
        break;
      case kAdd:
        top[0] = a + b;
        break;
      case kSub:
        top[0] = a - b;
        break;
      case kMul:
        top[0] = a * b;
        break;
      case kDiv:
      case kMod:
        if (b == 0) return "division by zero";
        top[0] = opcode == kDiv ? a / b : a % b;
        break;
      case kAnd:
        top[0] = a & b;
        break;
      case kXor:
        top[0] = a ^ b;
        break;
      case kShr:
        top[0] = a >> (b & 31);
        break;
      case kLess:
        top[0] = a < b;
        break;
      case kEqual:
        top[0] = a == b;
        break;
      case kLoad:
        if (b >= kMemory) return "no such address";
        top[0] = machine->memory[b];
        break;
      case kStore:
        if (b >= kMemory) return "no such address";
        machine->memory[b] = a;
        break;
      case kJump:
        at = operand;
        break;
      case kUnless:
        if (b == 0) at = operand;
        break;
      case kCall:
        if (call_depth == kStack) return "too many calls";
        machine->calls[call_depth++] = (uint32_t)at;
        at = operand;
        break;
      case kReturn:
        if (call_depth == 0) return "nowhere to return to";
        at = machine->calls[--call_depth];
        break;
      case kHalt:
        *result = b;
        return NULL;
      case kOpcodes:
        return "no such instruction";
    }
    depth += kInstructions[opcode].pushes;
  }
  return "ran off its end";
}

// Programs ----------------------------------------------------------------------------------------

static const struct {
  const char *name;
  const char *source;
  uint32_t result;
} kPrograms[] = {
    {"fibonacci, recursive",
     "push 17 call fib halt "
     "fib: dup push 2 less unless more return "
     "more: dup push 1 sub call fib swap push 2 sub call fib add return",
     1597},
    {"primes below 4000, by sieve",
     // Memory n: whether n is composite; 0: the count.
     "push 2 "
     "next: dup push 4000 less unless done "
     "dup load unless prime push 1 add jump next "
     "prime: push 0 load push 1 add push 0 store "
     "dup dup add "
     "mark: dup push 4000 less unless marked "
     "dup push 1 swap store over add jump mark "
     "marked: pop push 1 add jump next "
     "done: push 0 load halt",
     550},
    {"longest of Collatz's sequences",
     // Memory 0: the number, 1: the longest, 2: the length so far.
     "push 1 push 0 store "
     "start: push 1 push 2 store push 0 load "
     "step: dup push 1 equal unless go jump ended "
     "go: push 2 load push 1 add push 2 store "
     "dup push 1 and unless even push 3 mul push 1 add jump step "
     "even: push 2 div jump step "
     "ended: pop push 1 load push 2 load less unless short push 2 load push 1 store "
     "short: push 0 load push 1 add dup push 0 store push 400 less unless done jump start "
     "done: push 1 load halt",
     144},
    {"greatest common divisors",
     // Memory 0: the sum, 1 and 2: the two numbers.
     "push 1 push 1 store "
     "outer: push 1 push 2 store "
     "inner: push 1 load push 2 load call gcd push 0 load add push 0 store "
     "push 2 load push 1 add dup push 2 store push 60 less unless row jump inner "
     "row: push 1 load push 1 add dup push 1 store push 60 less unless done jump outer "
     "gcd: dup unless found swap over mod jump gcd "
     "found: pop return "
     "done: push 0 load halt",
     9500},
    {"random numbers",
     // Memory 0: the sum of their last bytes, 1: how many.
     "push 88172645 "
     "next: push 1103515245 mul push 12345 add dup dup push 16 shr xor push 255 and "
     "push 0 load add push 0 store push 1 load push 1 add dup push 1 store "
     "push 3000 less unless done jump next "
     "done: push 0 load halt",
     390439},
};

static const char *const kBroken[] = {
    "push 1 add halt", "push 1 push 0 div halt", "again: push 1 jump again",
    "self: call self", "push 4096 load halt",    "return",
    "push 1",          "jump nowhere",           "fly",
};

int main(int argc, char **argv) {
  const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (rounds < 1 || rounds > 1000) return 2;
  static Machine machine;
  static Program program;
  int good = 1;
  for (size_t i = 0; i < sizeof kPrograms / sizeof *kPrograms; ++i) {
    const char *error = assemble(kPrograms[i].source, &program);
    uint32_t result = 0;
    machine.steps = 0;
    for (long n = 0; !error && n < 8 * rounds; ++n) error = run(&machine, &program, &result);
    printf("%s: %u, %lu steps%s%s\n", kPrograms[i].name, (unsigned)result, machine.steps,
           error ? ", error: " : "", error ? error : "");
    good &= result == kPrograms[i].result;
  }
  for (size_t i = 0; i < sizeof kBroken / sizeof *kBroken; ++i) {
    uint32_t result = 0;
    const char *error = assemble(kBroken[i], &program);
    if (!error) error = run(&machine, &program, &result);
    printf("%s%s", i ? ", " : "refused: ", error ? error : "NOTHING");
    good &= error != NULL;
  }
  printf("\n");
  return good ? 0 : 1;
}
