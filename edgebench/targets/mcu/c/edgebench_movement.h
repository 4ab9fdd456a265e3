/* Kernels that move values of any type: offsets and steps are in bytes. */
#ifndef EDGEBENCH_MOVEMENT_H
#define EDGEBENCH_MOVEMENT_H
#include <stdint.h>

/* Pieces of `piece` bytes over six axes, the last one innermost. Each side moves along an axis by its own steps: 0
 * repeats what is read, a negative one goes backwards. */
typedef struct {
  int32_t piece;
  int32_t sizes[6], in_steps[6], out_steps[6];
} eb_move_params;
void eb_move(const int8_t *input, int8_t *output, const eb_move_params *p);

/* `count` times the same value of `size` bytes. */
void eb_fill(int8_t *output, const void *value, int32_t size, int32_t count);

/* Pieces of `piece` bytes along an axis of `length`, at positions of `width` bytes each. There are `count`
 * positions for each of `batches`, and `outer` times the axis in each batch. Returns 0, or 1 if a position is
 * outside the axis. */
typedef struct {
  int32_t batches, outer, length, count, piece, width;
} eb_take_params;
int eb_take(const int8_t *input, const void *positions, int8_t *output, const eb_take_params *p);

/* Pieces of `piece` bytes at `count` places, each of which `axes` positions name. Returns as eb_take does. */
typedef struct {
  int32_t count, axes, piece, width;
  const int32_t *lengths, *steps;
} eb_take_nd_params;
int eb_take_nd(const int8_t *input, const void *positions, int8_t *output, const eb_take_nd_params *p);
#endif
