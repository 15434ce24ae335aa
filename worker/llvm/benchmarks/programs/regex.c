// Regular expressions: parsed into a nondeterministic automaton, which runs over the text in time
// linear in its length.
//
// Knows . [a-z] [^a-z] * + ? | ( ) and \ before a character; a match is of the whole line. The
// argument multiplies the number of lines.
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kLines = 4000, kMaxLine = 48, kMaxStates = 256 };

typedef enum { kSet, kSplit, kMatch } Kind;

typedef struct {
  Kind kind;
  uint8_t set[32];  // Bit c: whether the state takes the character c.
  int next[2];      // States; -1: not known yet.
} State;

typedef struct {
  State states[kMaxStates];
  int count;
  int start;
  const char *text;  // What is left to be parsed.
  jmp_buf on_error;
} Regex;

// A part of an automaton: it begins at `start`, and ends at `end`, whose first `next` is open.
typedef struct {
  int start;
  int end;
} Fragment;

static int new_state(Regex *regex, Kind kind) {
  if (regex->count == kMaxStates) longjmp(regex->on_error, 1);
  State *state = &regex->states[regex->count];
  memset(state, 0, sizeof *state);
  state->kind = kind;
  state->next[0] = state->next[1] = -1;
  return regex->count++;
}

static int new_split(Regex *regex, int first, int second) {
  const int split = new_state(regex, kSplit);
  regex->states[split].next[0] = first;
  regex->states[split].next[1] = second;
  return split;
}

static void accept_range(State *state, int first, int last) {
  for (int c = first; c <= last; ++c) state->set[c / 8] |= (uint8_t)(1u << c % 8);
}

static int takes(const State *state, uint8_t c) { return state->set[c / 8] >> c % 8 & 1; }

static Fragment parse_alternatives(Regex *regex);

static int next_character(Regex *regex) {
  if (!*regex->text) longjmp(regex->on_error, 1);
  return (uint8_t)*regex->text++;
}

static void parse_set(Regex *regex, State *state) {
  const int negated = *regex->text == '^';
  if (negated) ++regex->text;
  int c = next_character(regex);
  do {
    int last = c;
    if (regex->text[0] == '-' && regex->text[1] != ']') {
      ++regex->text;
      last = next_character(regex);
    }
    accept_range(state, c, last);
    c = next_character(regex);
  } while (c != ']');
  for (int i = 0; negated && i < 32; ++i) state->set[i] = (uint8_t)~state->set[i];
}

static Fragment parse_atom(Regex *regex) {
  int c = next_character(regex);
  if (c == '(') {
    const Fragment inner = parse_alternatives(regex);
    if (next_character(regex) != ')') longjmp(regex->on_error, 1);
    return inner;
  }
  if (strchr("*+?|)", c)) longjmp(regex->on_error, 1);
  const int index = new_state(regex, kSet);
  State *state = &regex->states[index];
  if (c == '[') {
    parse_set(regex, state);
  } else if (c == '.') {
    accept_range(state, 0, 255);
  } else {
    if (c == '\\') c = next_character(regex);
    accept_range(state, c, c);
  }
  return (Fragment){index, index};
}

static void join(Regex *regex, int end, int start) { regex->states[end].next[0] = start; }

// Ends a fragment of two ways out in one state that both lead to.
static Fragment close(Regex *regex, int start, int first_end, int second_end) {
  const int end = new_split(regex, -1, -1);
  join(regex, first_end, end);
  join(regex, second_end, end);
  return (Fragment){start, end};
}

static Fragment parse_repetition(Regex *regex) {
  Fragment part = parse_atom(regex);
  while (*regex->text && strchr("*+?", *regex->text)) {
    const char kind = *regex->text++;
    const int out = new_split(regex, -1, -1);
    const int split = new_split(regex, part.start, out);
    if (kind == '?') {
      part = close(regex, split, part.end, out);
    } else {
      join(regex, part.end, split);
      part = (Fragment){kind == '*' ? split : part.start, out};
    }
  }
  return part;
}

static Fragment parse_sequence(Regex *regex) {
  Fragment all = parse_repetition(regex);
  while (*regex->text && *regex->text != '|' && *regex->text != ')') {
    const Fragment next = parse_repetition(regex);
    join(regex, all.end, next.start);
    all.end = next.end;
  }
  return all;
}

static Fragment parse_alternatives(Regex *regex) {
  Fragment all = parse_sequence(regex);
  while (*regex->text == '|') {
    ++regex->text;
    const Fragment other = parse_sequence(regex);
    all = close(regex, new_split(regex, all.start, other.start), all.end, other.end);
  }
  return all;
}

// 0 if `pattern` is not a regular expression.
static int compile(Regex *regex, const char *pattern) {
  regex->count = 0;
  regex->text = pattern;
  if (setjmp(regex->on_error)) return 0;
  const Fragment all = parse_alternatives(regex);
  if (*regex->text) return 0;
  join(regex, all.end, new_state(regex, kMatch));
  regex->start = all.start;
  return 1;
}

// The states that the automaton may be in.
typedef struct {
  int states[kMaxStates];
  int count;
  uint32_t member[kMaxStates];  // Equal to `generation`: the state is in.
  uint32_t generation;
} StateSet;

static void clear(StateSet *set) {
  set->count = 0;
  ++set->generation;
}

// Adds the state, and those that it leads to without a character.
static void enter(const Regex *regex, StateSet *set, int index) {
  if (index < 0 || set->member[index] == set->generation) return;
  set->member[index] = set->generation;
  set->states[set->count++] = index;
  if (regex->states[index].kind != kSplit) return;
  enter(regex, set, regex->states[index].next[0]);
  enter(regex, set, regex->states[index].next[1]);
}

static int matches(const Regex *regex, const char *line, unsigned long *steps) {
  static StateSet sets[2];
  StateSet *now = &sets[0];
  StateSet *then = &sets[1];
  clear(now);
  enter(regex, now, regex->start);
  for (; *line; ++line) {
    clear(then);
    for (int i = 0; i < now->count; ++i) {
      ++*steps;
      const State *state = &regex->states[now->states[i]];
      if (state->kind == kSet && takes(state, (uint8_t)*line)) enter(regex, then, state->next[0]);
    }
    StateSet *kept = now;
    now = then;
    then = kept;
  }
  for (int i = 0; i < now->count; ++i) {
    if (regex->states[now->states[i]].kind == kMatch) return 1;
  }
  return 0;
}

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

// A number, a name, an assignment, an address or noise.
static void make_line(uint32_t *state, char *line) {
  const unsigned number = next_random(state) % 100000;
  const unsigned fraction = next_random(state) % 1000;
  static const char *const kNames[] = {"alpha", "beta", "x1", "_tmp", "Total", "if"};
  const char *name = kNames[next_random(state) % 6];
  switch (next_random(state) % 5) {
    case 0:
      sprintf(line, fraction % 2 ? "-%u.%03u" : "%u", number, fraction);
      break;
    case 1:
      sprintf(line, "%s_%u", name, fraction);
      break;
    case 2:
      sprintf(line, "%s = %u;", name, number);
      break;
    case 3:
      sprintf(line, "%s%u@%s.example", name, fraction, kNames[number % 6]);
      break;
    default:
      for (int i = 0; i < 30; ++i) line[i] = "ab"[next_random(state) % 8 == 0];
      line[30] = '\0';
  }
}

static const char *const kPatterns[] = {
    "-?[0-9]+(\\.[0-9]+)?", "[A-Za-z_][A-Za-z_0-9]*", "[a-z]+ *= *[0-9]+;", "[^@]+@[^@]+\\.example",
    "(a|b)*aba(a|b)*",      "(a*)*b?(a?b?)+(aa|bb)*", ".*(e|1).*(t|9).*",
};
static const char *const kBroken[] = {"(a", "a)", "*a", "[a", "a|", "\\"};

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 1000) return 2;
  static Regex regex;
  unsigned long steps = 0;
  for (size_t i = 0; i < sizeof kPatterns / sizeof *kPatterns; ++i) {
    if (!compile(&regex, kPatterns[i])) return 1;
    uint32_t state = 77;
    uint32_t digest = 1;
    int count = 0;
    for (long n = 0; n < scale * kLines; ++n) {
      char line[kMaxLine];
      make_line(&state, line);
      const int matched = matches(&regex, line, &steps);
      count += matched;
      digest = digest * 31 + (uint32_t)matched;
    }
    printf("%-24s %2d states, %3d lines, digest %08x\n", kPatterns[i], regex.count, count,
           (unsigned)digest);
  }
  int refused = 0;
  for (size_t i = 0; i < sizeof kBroken / sizeof *kBroken; ++i) {
    refused += !compile(&regex, kBroken[i]);
  }
  printf("%lu steps, %d broken patterns refused\n", steps, refused);
  return refused == sizeof kBroken / sizeof *kBroken ? 0 : 1;
}
