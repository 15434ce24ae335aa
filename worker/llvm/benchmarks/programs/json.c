// A reader and writer of JSON: text to a tree in an arena, queries, and back to text.
//
// Reads a generated document, writes it, reads it again, and sums up what is in it; refuses broken
// documents. The argument multiplies the length of the document.
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kRecords = 4000, kMaxDepth = 64, kArenaBlock = 1 << 16 };

typedef enum { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject } Type;

typedef struct Value {
  Type type;
  const char *key;  // In an object.
  double number;
  const char *string;
  struct Value *first;  // Of an array's or object's values, a list.
  struct Value *next;
} Value;

// Memory that is freed all at once ----------------------------------------------------------------

typedef struct Block {
  struct Block *next;
  size_t used;
  union {
    Value alignment;
    char bytes[kArenaBlock];
  } data;
} Block;

static void *allocate(Block **arena, size_t size) {
  size = (size + sizeof(double) - 1) / sizeof(double) * sizeof(double);
  if (size > kArenaBlock) exit(2);
  if (!*arena || (*arena)->used + size > kArenaBlock) {
    Block *block = malloc(sizeof *block);
    if (!block) exit(2);
    block->next = *arena;
    block->used = 0;
    *arena = block;
  }
  void *memory = (*arena)->data.bytes + (*arena)->used;
  (*arena)->used += size;
  return memory;
}

static void release(Block *arena) {
  while (arena) {
    Block *next = arena->next;
    free(arena);
    arena = next;
  }
}

// Reader ------------------------------------------------------------------------------------------

typedef struct {
  const char *at;
  const char *error;
  int depth;
  Block **arena;
} Reader;

static void *fail(Reader *reader, const char *error) {
  if (!reader->error) reader->error = error;
  return NULL;
}

static void skip_blanks(Reader *reader) {
  while (*reader->at && strchr(" \t\r\n", *reader->at)) ++reader->at;
}

static int accept(Reader *reader, char c) {
  skip_blanks(reader);
  if (*reader->at != c) return 0;
  ++reader->at;
  return 1;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Behind the `u`: four digits, written as UTF-8 to `out`. Returns its new end, or NULL.
static char *read_code_point(Reader *reader, char *out) {
  unsigned code = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_digit(*reader->at);
    if (digit < 0) return fail(reader, "bad code point");
    code = code * 16 + (unsigned)digit;
    ++reader->at;
  }
  if (code < 0x80) {
    *out++ = (char)code;
  } else if (code < 0x800) {
    *out++ = (char)(0xC0 | code >> 6);
    *out++ = (char)(0x80 | (code & 0x3F));
  } else {
    *out++ = (char)(0xE0 | code >> 12);
    *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    *out++ = (char)(0x80 | (code & 0x3F));
  }
  return out;
}

// Behind the opening quote.
static const char *read_string(Reader *reader) {
  static const char kEscapes[] = "\"\\/bfnrt";
  static const char kMeanings[] = "\"\\/\b\f\n\r\t";
  const char *end = reader->at;
  while (*end && *end != '"') end += *end == '\\' && end[1] ? 2 : 1;
  // What is escaped becomes shorter.
  char *string = allocate(reader->arena, (size_t)(end - reader->at) + 1);
  char *out = string;
  while (*reader->at && *reader->at != '"') {
    const char c = *reader->at++;
    if ((unsigned char)c < 0x20) return fail(reader, "control character in a string");
    if (c != '\\') {
      *out++ = c;
      continue;
    }
    if (!*reader->at) break;
    const char escaped = *reader->at++;
    if (escaped == 'u') {
      out = read_code_point(reader, out);
      if (!out) return NULL;
      continue;
    }
    const char *escape = strchr(kEscapes, escaped);
    if (!escape) return fail(reader, "bad escape");
    *out++ = kMeanings[escape - kEscapes];
  }
  *out = '\0';
  if (*reader->at != '"') return fail(reader, "string without an end");
  ++reader->at;
  return string;
}

static int skip_digits(Reader *reader) {
  const char *begin = reader->at;
  while (isdigit((unsigned char)*reader->at)) ++reader->at;
  return reader->at > begin;
}

static Value *read_number(Reader *reader, Value *value) {
  const char *begin = reader->at;
  if (*reader->at == '-') ++reader->at;
  const char *digits = reader->at;
  if (!skip_digits(reader)) return fail(reader, "a value was expected");
  if (*digits == '0' && reader->at > digits + 1) return fail(reader, "leading zero");
  if (*reader->at == '.') {
    ++reader->at;
    if (!skip_digits(reader)) return fail(reader, "digits missing");
  }
  if (*reader->at == 'e' || *reader->at == 'E') {
    ++reader->at;
    if (*reader->at == '+' || *reader->at == '-') ++reader->at;
    if (!skip_digits(reader)) return fail(reader, "digits missing");
  }
  value->type = kNumber;
  value->number = strtod(begin, NULL);
  return value;
}

static Value *read_value(Reader *reader);

// Behind the opening bracket or brace.
static Value *read_members(Reader *reader, Value *value, char close) {
  value->type = close == ']' ? kArray : kObject;
  if (accept(reader, close)) return value;
  if (++reader->depth > kMaxDepth) return fail(reader, "too deep");
  Value **tail = &value->first;
  do {
    const char *key = NULL;
    if (value->type == kObject) {
      if (!accept(reader, '"')) return fail(reader, "a key was expected");
      key = read_string(reader);
      if (!accept(reader, ':')) return fail(reader, "a colon was expected");
    }
    Value *member = read_value(reader);
    if (!member) return NULL;
    member->key = key;
    *tail = member;
    tail = &member->next;
  } while (accept(reader, ','));
  --reader->depth;
  return accept(reader, close) ? value : fail(reader, "a comma or the end was expected");
}

static Value *read_value(Reader *reader) {
  static const struct {
    const char *word;
    Type type;
  } kWords[] = {{"null", kNull}, {"false", kFalse}, {"true", kTrue}};
  Value *value = allocate(reader->arena, sizeof *value);
  memset(value, 0, sizeof *value);
  if (accept(reader, '{')) return read_members(reader, value, '}');
  if (accept(reader, '[')) return read_members(reader, value, ']');
  if (accept(reader, '"')) {
    value->type = kString;
    value->string = read_string(reader);
    return value->string ? value : NULL;
  }
  for (size_t i = 0; i < sizeof kWords / sizeof *kWords; ++i) {
    const size_t length = strlen(kWords[i].word);
    if (strncmp(reader->at, kWords[i].word, length) != 0) continue;
    reader->at += length;
    value->type = kWords[i].type;
    return value;
  }
  return read_number(reader, value);
}

// NULL, and an error, if `text` is no document.
static Value *read_document(const char *text, Block **arena, const char **error) {
  Reader reader = {text, NULL, 0, arena};
  Value *value = read_value(&reader);
  skip_blanks(&reader);
  if (value && *reader.at) value = fail(&reader, "something follows the document");
  *error = reader.error;
  return value;
}

// Writer ------------------------------------------------------------------------------------------

typedef struct {
  char *text;
  size_t size;
  size_t capacity;
} Writer;

static void put(Writer *writer, const char *text, size_t length) {
  if (writer->size + length + 1 > writer->capacity) {
    writer->capacity = 2 * (writer->size + length + 1);
    writer->text = realloc(writer->text, writer->capacity);
    if (!writer->text) exit(2);
  }
  memcpy(writer->text + writer->size, text, length);
  writer->size += length;
  writer->text[writer->size] = '\0';
}

static void write_string(Writer *writer, const char *string) {
  put(writer, "\"", 1);
  for (; *string; ++string) {
    char escaped[8] = {*string};
    int length = 1;
    if (*string == '"' || *string == '\\') {
      length = sprintf(escaped, "\\%c", *string);
    } else if ((unsigned char)*string < 0x20) {
      length = sprintf(escaped, "\\u%04x", (unsigned)(unsigned char)*string);
    }
    put(writer, escaped, (size_t)length);
  }
  put(writer, "\"", 1);
}

static void write_value(Writer *writer, const Value *value) {
  static const char *const kWords[] = {"null", "false", "true"};
  char number[40];
  switch (value->type) {
    case kNull:
    case kFalse:
    case kTrue:
      put(writer, kWords[value->type], strlen(kWords[value->type]));
      break;
    case kNumber:
      put(writer, number, (size_t)snprintf(number, sizeof number, "%.12g", value->number));
      break;
    case kString:
      write_string(writer, value->string);
      break;
    case kArray:
    case kObject:
      put(writer, value->type == kArray ? "[" : "{", 1);
      for (const Value *member = value->first; member; member = member->next) {
        if (member != value->first) put(writer, ",", 1);
        if (member->key) {
          write_string(writer, member->key);
          put(writer, ":", 1);
        }
        write_value(writer, member);
      }
      put(writer, value->type == kArray ? "]" : "}", 1);
  }
}

// -------------------------------------------------------------------------------------------------

static const Value *member(const Value *object, const char *key) {
  const Value *value = object->first;
  while (value && strcmp(value->key, key) != 0) value = value->next;
  if (!value) exit(1);
  return value;
}

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

static void generate(Writer *writer, long records) {
  static const char *const kNames[] = {"An\\u00e9mone", "b\\\"o\\\"b", "tab\\there", "\\u20ac", ""};
  uint32_t state = 3;
  char line[256];
  put(writer, "[\n", 2);
  for (long i = 0; i < records; ++i) {
    const unsigned x = next_random(&state) % 10000;
    const unsigned y = next_random(&state) % 10000;
    const int length =
        snprintf(line, sizeof line,
                 "%s { \"id\": %ld, \"name\" : \"%s%u\", \"at\": [%u.%04u, -%u.5e-2], \"on\": %s,\n"
                 "  \"more\": {\"tags\": [\"a\", [], {}, null], \"x\\u0079\": %u} }\n",
                 i ? "," : " ", i, kNames[x % 5], y, x, y, y, x % 3 ? "true" : "false", x * y);
    put(writer, line, (size_t)length);
  }
  put(writer, "]\n", 2);
}

static const char *const kBroken[] = {
    "",        "[1,]",   "{\"a\" 1}", "\"a", "01",          "[1 2]",
    "\"\\x\"", "{1: 2}", "nul",       "1 2", "\"\\u12g4\"", "-",
};

int main(int argc, char **argv) {
  const long scale = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
  if (scale < 1 || scale > 1000) return 2;
  Writer source = {NULL, 0, 0};
  Writer first = {NULL, 0, 0};
  Writer second = {NULL, 0, 0};
  Block *arena = NULL;
  const char *error = NULL;
  generate(&source, scale * kRecords);
  const Value *document = read_document(source.text, &arena, &error);
  if (!document) {
    printf("error: %s\n", error);
    return 1;
  }
  write_value(&first, document);
  const Value *again = read_document(first.text, &arena, &error);
  if (!again) return 1;
  write_value(&second, again);
  const int same = strcmp(first.text, second.text) == 0;

  double sum = 0;
  long on = 0;
  size_t name_bytes = 0;
  for (const Value *record = document->first; record; record = record->next) {
    const Value *at = member(record, "at");
    sum += member(record, "id")->number + at->first->number + at->first->next->number;
    sum += member(member(record, "more"), "xy")->number / 1000;
    on += member(record, "on")->type == kTrue;
    name_bytes += strlen(member(record, "name")->string);
  }
  uint32_t digest = 1;
  for (size_t i = 0; i < first.size; ++i) digest = digest * 31 + (unsigned char)first.text[i];
  printf("%zu bytes, then %zu, %s; digest %08x\n", source.size, first.size,
         same ? "stable" : "UNSTABLE", (unsigned)digest);
  printf("sum %.3f, %ld on, %zu bytes of names\n", sum, on, name_bytes);
  size_t refused = 0;
  for (size_t i = 0; i < sizeof kBroken / sizeof *kBroken; ++i) {
    refused += read_document(kBroken[i], &arena, &error) == NULL && error != NULL;
  }
  printf("%zu broken documents refused, the last: %s\n", refused, error ? error : "NOT");
  free(source.text);
  free(first.text);
  free(second.text);
  release(arena);
  return same && refused == sizeof kBroken / sizeof *kBroken ? 0 : 1;
}
