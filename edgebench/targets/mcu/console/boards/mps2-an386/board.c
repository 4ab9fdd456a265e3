/* Arm's MPS2 board with the image AN386 (a Cortex-M4), as QEMU has it: `qemu-system-arm -M mps2-an386 -serial pty`.
 *
 * Addresses: Arm DAI 0386. Time comes from the counter of the board's FPGA, set to one step a microsecond.
 */
#include <stdint.h>

#include "board.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define COPROCESSORS REGISTER(0xE000ED88) /* CPACR */
#define UART_DATA REGISTER(0x40004000)
#define UART_STATE REGISTER(0x40004004)
#define UART_CONTROL REGISTER(0x40004008)
#define UART_DIVIDER REGISTER(0x40004010)
#define COUNTER REGISTER(0x40028018)
#define COUNTER_PRESCALE REGISTER(0x4002801C)

#define CLOCK_HZ 25000000u
#define BAUD 115200u

extern uint32_t board_stack_top, board_data_from, board_data_start, board_data_end, board_bss_start, board_bss_end;

char board_getchar(void) {
  while (!(UART_STATE & 2)) {
  }
  return (char)UART_DATA;
}

void board_putchar(char byte) {
  while (UART_STATE & 1) {
  }
  UART_DATA = (uint8_t)byte;
}

uint32_t board_timestamp_us(void) { return COUNTER; }

void board_reset(void) {
  COPROCESSORS |= 0xFu << 20; /* the floating-point unit */
  __asm volatile("dsb\n isb");
  const volatile uint32_t *from = &board_data_from;
  for (volatile uint32_t *to = &board_data_start; to < &board_data_end;) *to++ = *from++;
  for (volatile uint32_t *to = &board_bss_start; to < &board_bss_end;) *to++ = 0;
  UART_DIVIDER = CLOCK_HZ / BAUD;
  UART_CONTROL = 3;
  (void)UART_DATA; /* whatever it was; without this, QEMU forgets about what arrived before */
  COUNTER_PRESCALE = CLOCK_HZ / 1000000u - 1;
  console_run();
}

static void stop(void) {
  for (;;) {
  }
}

__attribute__((section(".vectors"), used)) const void *const board_vectors[16] = {
    &board_stack_top, (const void *)board_reset, (const void *)stop, (const void *)stop,
    (const void *)stop, (const void *)stop, (const void *)stop};
