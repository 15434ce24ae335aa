// A hash table of strings with open addressing: robin-hood insertion, deletion by shifting back.
//
// Counts the words of a generated text, forgets the rare ones, looks all of them up again. Prints
// what is left and a digest of it. The argument multiplies the length of the text.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kWords = 300000, kVocabulary = 4000, kMaxWord = 12, kFirstCapacity = 16 };

typedef struct {
  char word[kMaxWord + 1];  // Empty: the slot is free.
  uint32_t hash;
  uint32_t count;
} Slot;

typedef struct {
  Slot *slots;
  size_t capacity;  // A power of two.
  size_t used;
  unsigned long probes;
} Table;

static uint32_t hash_of(const char *word) {
  uint32_t hash = 2166136261u;
  for (; *word; ++word) hash = (hash ^ (uint8_t)*word) * 16777619u;
  return hash;
}

static size_t distance(const Table *table, size_t at) {
  return (at - table->slots[at].hash) & (table->capacity - 1);
}

static void init(Table *table, size_t capacity) {
  table->slots = calloc(capacity, sizeof *table->slots);
  if (!table->slots) abort();
  table->capacity = capacity;
  table->used = 0;
}

// `slot` is of a word that is not in the table. Who is nearer to home gives way.
static void place(Table *table, Slot slot) {
  size_t at = slot.hash & (table->capacity - 1);
  for (size_t far = 0;; ++far, at = (at + 1) & (table->capacity - 1)) {
    ++table->probes;
    if (!table->slots[at].word[0]) break;
    if (distance(table, at) < far) {
      const Slot displaced = table->slots[at];
      far = distance(table, at);
      table->slots[at] = slot;
      slot = displaced;
    }
  }
  table->slots[at] = slot;
  ++table->used;
}

static Slot *find(Table *table, const char *word, uint32_t hash) {
  size_t at = hash & (table->capacity - 1);
  for (size_t far = 0;; ++far, at = (at + 1) & (table->capacity - 1)) {
    ++table->probes;
    Slot *slot = &table->slots[at];
    if (!slot->word[0] || distance(table, at) < far) return NULL;
    if (slot->hash == hash && strcmp(slot->word, word) == 0) return slot;
  }
}

static void grow(Table *table) {
  const Table old = *table;
  init(table, 2 * old.capacity);
  for (size_t i = 0; i < old.capacity; ++i) {
    if (old.slots[i].word[0]) place(table, old.slots[i]);
  }
  free(old.slots);
}

static void add(Table *table, const char *word) {
  const uint32_t hash = hash_of(word);
  Slot *known = find(table, word, hash);
  if (known) {
    ++known->count;
    return;
  }
  if (8 * (table->used + 1) > 7 * table->capacity) grow(table);
  Slot fresh = {"", hash, 1};
  strncpy(fresh.word, word, kMaxWord);
  place(table, fresh);
}

static int erase(Table *table, const char *word) {
  Slot *slot = find(table, word, hash_of(word));
  if (!slot) return 0;
  size_t hole = (size_t)(slot - table->slots);
  for (;;) {
    const size_t next = (hole + 1) & (table->capacity - 1);
    if (!table->slots[next].word[0] || distance(table, next) == 0) break;
    table->slots[hole] = table->slots[next];
    hole = next;
  }
  table->slots[hole].word[0] = '\0';
  --table->used;
  return 1;
}

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

// The word of a number: syllables, so that words share their beginnings.
static void make_word(uint32_t number, char *word) {
  static const char kConsonants[] = "bdfgklmnprst";
  static const char kVowels[] = "aeiou";
  size_t length = 0;
  do {
    word[length++] = kConsonants[number % 12];
    number /= 12;
    word[length++] = kVowels[number % 5];
    number /= 5;
  } while (number > 0 && length + 2 <= kMaxWord);
  word[length] = '\0';
}

// Small numbers are much more frequent than large ones.
static uint32_t next_number(uint32_t *state) {
  const uint32_t limit = 1 + next_random(state) % kVocabulary;
  return next_random(state) % (1 + next_random(state) % limit);
}

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 1000) return 2;
  Table table = {NULL, 0, 0, 0};
  init(&table, kFirstCapacity);
  char word[kMaxWord + 1];
  uint32_t state = 42;
  for (long i = 0; i < scale * kWords; ++i) {
    make_word(next_number(&state), word);
    add(&table, word);
  }
  const size_t distinct = table.used;

  size_t erased = 0;
  for (uint32_t number = 0; number < kVocabulary; ++number) {
    make_word(number, word);
    const Slot *slot = find(&table, word, hash_of(word));
    if (slot && slot->count <= 10) erased += (size_t)erase(&table, word);
  }

  uint32_t sum = 0;
  unsigned long total = 0;
  Slot most = {"", 0, 0};
  for (uint32_t number = 0; number < kVocabulary; ++number) {
    make_word(number, word);
    const Slot *slot = find(&table, word, hash_of(word));
    if (!slot) continue;
    sum = sum * 131 + slot->count * slot->hash;
    total += slot->count;
    if (slot->count > most.count) most = *slot;
  }
  printf("%zu distinct words, %zu rare ones erased, %zu left of %lu occurrences\n", distinct,
         erased, table.used, total);
  printf("most frequent: %s, %u times; digest %08x, %lu probes\n", most.word, (unsigned)most.count,
         (unsigned)sum, table.probes);
  free(table.slots);
  return distinct - erased == table.used ? 0 : 1;
}
