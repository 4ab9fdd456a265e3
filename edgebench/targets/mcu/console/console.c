/* A console that speaks the serial protocol of MLPerf Tiny: a runner loads inputs, starts inferences, reads times and
 * results. Commands end with '%', lines of replies with "\r\n", and the last line of each reply is "m-ready".
 *
 * Two commands are beyond the protocol: `digest` says which model this is, `outputs` has all bytes of its outputs.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "board.h"
#include "console_model.h"

#define COMMAND_BYTES 80

/* What arrives for one value of the input: itself, an unsigned byte (of a picture), or a real number. */
#if CONSOLE_FORM == CONSOLE_REAL
#define BUFFER_BYTES (CONSOLE_INPUT_BYTES * sizeof(float))
#else
#define BUFFER_BYTES CONSOLE_INPUT_BYTES
#endif

typedef struct {
  void *at;
  uint32_t bytes;
} input;

enum type { INT8, UINT8, INT16, INT32, INT64, FLOAT32 };

/* `step` is what one step of the quantised value is worth, in 10^-(decimals + 6). */
typedef struct {
  const void *at;
  uint32_t bytes;
  enum type type;
  int32_t zero_point;
  int decimals;
  int64_t step;
} output;

static char command[COMMAND_BYTES + 1];
static uint8_t buffer[BUFFER_BYTES] __attribute__((aligned(8)));
static uint32_t expected, loaded;
#if CONSOLE_FORM == CONSOLE_REAL
static int8_t values[CONSOLE_INPUT_BYTES];
#else
#define values buffer
#endif

static void put(const char *text) {
  while (*text) board_putchar(*text++);
}

static void put_unsigned(uint64_t value) {
  char digits[20];
  int count = 0;
  do digits[count++] = (char)('0' + value % 10);
  while (value /= 10);
  while (count) board_putchar(digits[--count]);
}

static void put_fixed(int64_t value, int decimals) {
  uint64_t power = 1, rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  for (int i = 0; i < decimals; i++) power *= 10;
  if (value < 0) board_putchar('-');
  put_unsigned(rest / power);
  if (decimals) board_putchar('.');
  for (rest %= power; power > 1; rest %= power) board_putchar((char)('0' + rest / (power /= 10)));
}

static void put_hex(uint8_t byte) {
  board_putchar("0123456789abcdef"[byte >> 4]);
  board_putchar("0123456789abcdef"[byte & 15]);
}

static void put_error(const char *text) {
  put("e-[");
  put(text);
  put("]\r\n");
}

static void put_lap(void) {
  const uint32_t now = board_timestamp_us();
  put("m-lap-us-");
  put_unsigned(now);
  put("\r\n");
}

/* The next word of a command, or an empty one. */
static char *word(char **rest) {
  while (**rest == ' ') ++*rest;
  char *start = *rest;
  while (**rest && **rest != ' ') ++*rest;
  if (**rest) *(*rest)++ = 0;
  return start;
}

static int is(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/* A whole number of at most nine digits, or -1. */
static int32_t number(const char *text) {
  int32_t value = 0, digits = 0;
  for (; *text >= '0' && *text <= '9' && digits < 9; digits++) value = value * 10 + (*text++ - '0');
  return digits && !*text ? value : -1;
}

static int nibble(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  digit |= 0x20;
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Real numbers as the model takes them: once, because the time of this is not the model's. */
static void quantise(void) {
#if CONSOLE_FORM == CONSOLE_REAL
  for (uint32_t i = 0; i < CONSOLE_INPUT_BYTES; i++) {
    const float exact = ((const float *)buffer)[i] / CONSOLE_INPUT_SCALE;
    const int32_t value = (int32_t)(exact + (exact < 0 ? -0.5f : 0.5f)) + CONSOLE_INPUT_ZERO_POINT;
    values[i] = (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
  }
#endif
}

/* An input's memory is used again while the model runs: this comes before each inference. */
static void fill(void) {
  const input inputs[] = {CONSOLE_INPUTS};
  const char *from = (const char *)values;
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; from += inputs[i++].bytes)
    memcpy(inputs[i].at, from, inputs[i].bytes);
}

/* Value number i of an output: whole steps from zero. */
static int64_t steps(const output *from, uint32_t i) {
  switch (from->type) {
    case INT8: return ((const int8_t *)from->at)[i] - from->zero_point;
    case UINT8: return ((const uint8_t *)from->at)[i] - from->zero_point;
    case INT16: return ((const int16_t *)from->at)[i] - from->zero_point;
    case INT32: return ((const int32_t *)from->at)[i];
    case INT64: return ((const int64_t *)from->at)[i];
    default: return (int64_t)(((const float *)from->at)[i] * 1e6f);
  }
}

static const uint8_t sizes[] = {[INT8] = 1, [UINT8] = 1, [INT16] = 2, [INT32] = 4, [INT64] = 8, [FLOAT32] = 4};

static void put_values(const output *from) {
  for (uint32_t i = 0; i < from->bytes / sizes[from->type]; i++) {
    if (i) board_putchar(',');
    const int64_t count = steps(from, i);
    if (from->step == 0) {
      put_fixed(count, from->decimals);
      continue;
    }
    const int64_t value = count * from->step;
    put_fixed((value + (value < 0 ? -500000 : 500000)) / 1000000, from->decimals);
  }
}

static void put_results(void) {
  const output outputs[] = {CONSOLE_OUTPUTS};
  put("m-results-[");
#if CONSOLE_FORM == CONSOLE_REAL
  /* An autoencoder's: the mean square of what it does not reproduce. */
  float sum = 0;
  for (uint32_t i = 0; i < CONSOLE_INPUT_BYTES; i++) {
    const float apart = (float)steps(outputs, i) * CONSOLE_OUTPUT_SCALE - ((const float *)buffer)[i];
    sum += apart * apart;
  }
  put_fixed((int64_t)(sum / CONSOLE_INPUT_BYTES * 1000 + 0.5f), 3);
#else
  for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
    if (i) board_putchar(',');
    put_values(&outputs[i]);
  }
#endif
  put("]\r\n");
}

static void put_outputs(void) {
  const output outputs[] = {CONSOLE_OUTPUTS};
  put("m-outputs-[");
  for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
    for (uint32_t k = 0; k < outputs[i].bytes; k++) put_hex(((const uint8_t *)outputs[i].at)[k]);
  put("]\r\n");
}

static int run(int32_t times) {
  while (times-- > 0) {
    fill();
    const int layer = edgebench_invoke();
    if (layer != 0) {
      put("e-[Layer ");
      put_unsigned((uint64_t)layer);
      put(" reports an error]\r\n");
      return 0;
    }
  }
  return 1;
}

static void infer(char *rest) {
  const char *first = word(&rest), *second = word(&rest);
  const int32_t times = *first ? number(first) : 1, warm_up = *second ? number(second) : 10;
  if (times <= 0) {
    put_error("Inference iterations must be >0");
    return;
  }
  if (warm_up < 0) {
    put_error("Inference warmup must be >=0");
    return;
  }
  if (loaded != BUFFER_BYTES) {
    put("e-[Input has ");
    put_unsigned(loaded);
    put(" bytes, expected ");
    put_unsigned(BUFFER_BYTES);
    put("]\r\n");
    return;
  }
  CONSOLE_RESET;
  quantise();
  put("m-warmup-start-");
  put_unsigned((uint64_t)warm_up);
  put("\r\n");
  if (!run(warm_up)) return;
  put("m-warmup-done\r\nm-infer-start-");
  put_unsigned((uint64_t)times);
  put("\r\n");
  put_lap();
  if (!run(times)) return;
  put_lap();
  put("m-infer-done\r\n");
  put_results();
}

static void start_loading(const char *text) {
  const int32_t bytes = number(text);
  if (bytes <= 0) {
    put_error("Command 'db load' must be >0 bytes");
  } else if ((uint32_t)bytes > BUFFER_BYTES) {
    put("e-[Supplied buffer size ");
    put_unsigned((uint64_t)bytes);
    put(" exceeds maximum of ");
    put_unsigned(BUFFER_BYTES);
    put("]\r\n");
  } else {
    expected = (uint32_t)bytes;
    loaded = 0;
    put("m-[Expecting ");
    put_unsigned((uint64_t)bytes);
    put(" bytes]\r\n");
  }
}

static void load(const char *digits) {
  for (; *digits && loaded < expected; digits += 2) {
    const int high = nibble(digits[0]), low = high < 0 ? -1 : nibble(digits[1]);
    if (low < 0) {
      put_error("Invalid or missing hex digit");
      return;
    }
    const uint8_t byte = (uint8_t)(high << 4 | low);
    buffer[loaded++] = CONSOLE_FORM == CONSOLE_UNSIGNED ? byte ^ 0x80 : byte;
    if (loaded == expected) put("m-load-done\r\n");
  }
}

static void help(void) {
  put(CONSOLE_PROFILE "\r\n\r\n"
      "help         : Print this information\r\n"
      "name         : Print the name of the device\r\n"
      "profile      : Print the name of the model\r\n"
      "timestamp    : Print the time in microseconds\r\n"
      "db load N    : Expect N bytes of input\r\n"
      "db HH[HH]*   : Load hex bytes until there are N\r\n"
      "infer N [W]  : Execute N inferences after W others\r\n"
      "results      : Print the results as real numbers\r\n"
      "outputs      : Print the bytes of the outputs\r\n"
      "digest       : Print the digest of the model\r\n");
}

static void obey(void) {
  char *rest = command;
  const char *verb = word(&rest);
  if (is(verb, "name")) {
    put("m-name-dut-[" CONSOLE_VENDOR "]\r\n");
  } else if (is(verb, "profile")) {
    put("m-profile-[" CONSOLE_PROFILE "]\r\nm-model-[" CONSOLE_MODEL "]\r\n");
  } else if (is(verb, "timestamp")) {
    put_lap();
  } else if (is(verb, "db")) {
    const char *what = word(&rest);
    if (is(what, "load")) {
      start_loading(word(&rest));
    } else if (*what) {
      load(what);
    } else {
      put_error("Command 'db' requires a subcommand");
    }
  } else if (is(verb, "infer")) {
    infer(rest);
  } else if (is(verb, "results")) {
    put_results();
  } else if (is(verb, "outputs")) {
    put_outputs();
  } else if (is(verb, "digest")) {
    put("m-digest-[" CONSOLE_DIGEST "]\r\n");
  } else if (is(verb, "help")) {
    help();
  } else {
    put("e-[Unknown command: ");
    put(verb);
    put("]\r\n");
  }
}

void console_run(void) {
  uint32_t length = 0;
  put("m-init-done\r\nm-ready\r\n");
  for (;;) {
    const char byte = board_getchar();
    if (byte == '%') {
      command[length] = 0;
      length = 0;
      obey();
      put("m-ready\r\n");
    } else if (byte != '\r' && byte != '\n' && length < COMMAND_BYTES) {
      /* Ends of lines are for people at a terminal. */
      command[length++] = byte;
    }
  }
}
