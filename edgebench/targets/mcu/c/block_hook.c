/* Counts instructions while Unicorn runs: called once a basic block, in the emulator's own process. */
#include <stdint.h>

typedef struct {
  const uint8_t *code;     /* image of the program memory */
  uint64_t code_start;     /* its address */
  uint64_t code_size;
  uint16_t *lengths;       /* instructions of the block at each halfword, 0 where not yet known */
  uint64_t *counts;        /* instructions of each layer; the last entry is what belongs to none */
  const uint64_t *entries; /* address of each layer's function, ascending */
  uint64_t layers;
  uint64_t current;        /* layer that is running */
  uint64_t riscv;
} edgebench_counter;

static uint16_t instructions(const edgebench_counter *counter, uint64_t offset, uint32_t size) {
  uint16_t count = 0;
  for (uint64_t at = offset; at < offset + size; count++) {
    const uint16_t half = (uint16_t)(counter->code[at] | counter->code[at + 1] << 8);
    const int wide = counter->riscv ? (half & 3) == 3 : (half >> 11) >= 0x1d;
    at += wide ? 4 : 2;
  }
  return count;
}

void edgebench_block(void *engine, uint64_t address, uint32_t size, void *data) {
  (void)engine;
  edgebench_counter *counter = data;
  const uint64_t offset = address - counter->code_start;
  if (offset >= counter->code_size || size == 0) return;
  for (uint64_t low = 0, high = counter->layers; low < high;) {
    const uint64_t middle = (low + high) / 2;
    if (counter->entries[middle] == address) {
      counter->current = middle;
      break;
    }
    if (counter->entries[middle] < address) low = middle + 1;
    else high = middle;
  }
  /* The emulator cuts the code into the same blocks every time, so a start address has one length. */
  uint16_t count = counter->lengths[offset / 2];
  if (count == 0) counter->lengths[offset / 2] = count = instructions(counter, offset, size);
  counter->counts[counter->current] += count;
}
