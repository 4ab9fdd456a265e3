/* Runs a model once on Arm's MPS3 board with the image AN547 (SSE-300), and sends what it found over the UART.
 *
 * QEMU, told so with -icount, advances its clock by a fixed time with each instruction, so that differences of the
 * system counter are counts of instructions. Addresses: Arm DAI 0547 and the SSE-300's technical reference manual.
 */
#include <stddef.h>
#include <stdint.h>

#include "board_model.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CODE __attribute__((section(".board.code"), noinline, used))
#define CONSTANT __attribute__((section(".board.constants"), used)) const
#define ZEROED __attribute__((section(".board.zeroed"), used))

#define COPROCESSORS REGISTER(0xE000ED88) /* CPACR */
#define COUNTER_CONTROL REGISTER(0x58100000)
#define COUNTER_LOW REGISTER(0x58101000)
#define COUNTER_HIGH REGISTER(0x58101004)
#define UART_DATA REGISTER(0x59303000)
#define UART_STATE REGISTER(0x59303004)
#define UART_CONTROL REGISTER(0x59303008)
#define UART_DIVIDER REGISTER(0x59303010)

#ifndef BOARD_RESET
#define BOARD_RESET /* the model keeps nothing */
#endif

#define STACK_BYTES (1 << 20)
#define PAINT 0xA5A5A5A5u

typedef int (*layer)(void);

extern int8_t edgebench_arena[];
extern uint32_t board_stack_top;
int edgebench_invoke(void);

CONSTANT uint32_t board_inputs[][2] = {BOARD_INPUTS}; /* offset in the arena, bytes */
CONSTANT uint32_t board_outputs[][2] = {BOARD_OUTPUTS};
/* The emulator writes the values of the inputs here, into the file. */
__attribute__((section(".board.inputs"), used)) volatile uint8_t board_input_values[BOARD_INPUT_BYTES] = {0};

ZEROED uint64_t board_ticks[BOARD_LAYER_COUNT + 1];

CODE static void send(uint8_t byte) {
  while (UART_STATE & 1) {
  }
  UART_DATA = byte;
}

CODE static void send_number(uint64_t value) {
  for (int i = 0; i < 8; i++) send((uint8_t)(value >> (8 * i)));
}

CODE static uint64_t now(void) {
  uint32_t high, low;
  do {
    high = COUNTER_HIGH;
    low = COUNTER_LOW;
  } while (high != COUNTER_HIGH);
  return (uint64_t)high << 32 | low;
}

/* Two instructions, whatever the compiler; what calling it costs is taken off what the layers cost. */
CODE static __attribute__((naked)) int nothing(void) { __asm volatile("movs r0, #0\n bx lr"); }

CONSTANT layer board_layers[] = {BOARD_LAYERS nothing};

CODE static uint64_t ticks_of(layer function, volatile int *status) {
  const uint64_t start = now();
  *status = function();
  return now() - start;
}

CODE static void begin(void) {
  BOARD_RESET;
  const volatile uint8_t *value = board_input_values;
  for (size_t i = 0; i < sizeof board_inputs / sizeof board_inputs[0]; i++) {
    volatile uint8_t *to = (volatile uint8_t *)edgebench_arena + board_inputs[i][0];
    for (uint32_t k = 0; k < board_inputs[i][1]; k++) to[k] = *value++;
  }
}

CODE static uint32_t stack_depth(const volatile uint32_t *top) {
  const volatile uint32_t *word = &board_stack_top - STACK_BYTES / 4;
  while (word < top && *word == PAINT) word++;
  return (uint32_t)(top - word) * 4;
}

CODE static void stop(uint8_t outcome, uint64_t number) {
  send(outcome);
  send_number(number);
  for (;;) {
  }
}

CODE static void run(void) {
  volatile int status = 0;
  const volatile uint32_t *top;
  __asm volatile("mov %0, sp" : "=r"(top));
  for (volatile uint32_t *word = &board_stack_top - STACK_BYTES / 4; word < top - 64; word++) *word = PAINT;
  begin();
  for (uint32_t i = 0; i <= BOARD_LAYER_COUNT; i++) {
    board_ticks[i] = ticks_of(board_layers[i], &status);
    if (status != 0) stop('L', i + 1);
  }
  begin();
  const uint64_t whole = ticks_of(edgebench_invoke, &status);
  const uint32_t depth = stack_depth(top);
  send('E');
  send_number(whole);
  send_number(depth);
  for (uint32_t i = 0; i <= BOARD_LAYER_COUNT; i++) send_number(board_ticks[i]);
  for (size_t i = 0; i < sizeof board_outputs / sizeof board_outputs[0]; i++)
    for (uint32_t k = 0; k < board_outputs[i][1]; k++) send((uint8_t)edgebench_arena[board_outputs[i][0] + k]);
  for (;;) {
  }
}

CODE void board_reset(void) {
  COPROCESSORS |= 0xFu << 20; /* the floating-point and vector units */
  __asm volatile("dsb\n isb");
  UART_DIVIDER = 16;
  UART_CONTROL = 1;
  COUNTER_CONTROL = 1;
  run();
}

/* The address at which it happened is the seventh word of what the core has put on the stack. */
CODE __attribute__((naked)) void board_fault(void) {
  __asm volatile("mov r0, #'F'\n ldr r2, [sp, #24]\n movs r3, #0\n b %0" ::"X"(stop));
}

__attribute__((section(".board.vectors"), used)) const void *const board_vectors[16] = {
    &board_stack_top, (const void *)board_reset, (const void *)board_fault, (const void *)board_fault,
    (const void *)board_fault, (const void *)board_fault, (const void *)board_fault, (const void *)board_fault};
