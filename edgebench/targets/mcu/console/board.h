/* What the console needs from a board: fill in these functions, and call console_run() from main().
 *
 * Set up clocks, the serial line (8 bits, no parity, 1 stop bit; 115200 baud is usual) and a timer first. Nothing here
 * runs in an interrupt, and nothing needs one. boards/mps2-an386 is complete: a start-up, a linker script, three functions.
 */
#ifndef EDGEBENCH_BOARD_H
#define EDGEBENCH_BOARD_H
#include <stdint.h>

/* Waits for the next byte of the serial line. A line without a buffer of its own must be read quickly enough: 87 us a
 * byte at 115200 baud. */
char board_getchar(void);

/* Sends a byte over the serial line, after those before it. */
void board_putchar(char byte);

/* Microseconds since any moment, of a timer of at least 1 kHz; it may wrap at 2^32, after 71 minutes. */
uint32_t board_timestamp_us(void);

/* Obeys the commands that arrive, for ever. */
void console_run(void);

#endif
