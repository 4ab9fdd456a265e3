#include "edgebench_movement.h"

#include <stddef.h>
#include <string.h>

static inline void copy_line(const int8_t *input, int8_t *output, const eb_move_params *p) {
  const int32_t in_step = p->in_steps[5], out_step = p->out_steps[5];
  if (p->piece == 1) {
    for (int32_t i = 0; i < p->sizes[5]; i++, input += in_step, output += out_step) *output = *input;
  } else if (p->piece == 2) {
    for (int32_t i = 0; i < p->sizes[5]; i++, input += in_step, output += out_step) memcpy(output, input, 2);
  } else if (p->piece == 4) {
    for (int32_t i = 0; i < p->sizes[5]; i++, input += in_step, output += out_step) memcpy(output, input, 4);
  } else {
    for (int32_t i = 0; i < p->sizes[5]; i++, input += in_step, output += out_step)
      memcpy(output, input, (size_t)p->piece);
  }
}

void eb_move(const int8_t *input, int8_t *output, const eb_move_params *p) {
  int32_t at[5] = {0, 0, 0, 0, 0};
  for (;;) {
    copy_line(input, output, p);
    int axis = 4;
    for (; axis >= 0; axis--) {
      input += p->in_steps[axis], output += p->out_steps[axis];
      if (++at[axis] < p->sizes[axis]) break;
      input -= p->in_steps[axis] * p->sizes[axis], output -= p->out_steps[axis] * p->sizes[axis];
      at[axis] = 0;
    }
    if (axis < 0) return;
  }
}

void eb_fill(int8_t *output, const void *value, int32_t size, int32_t count) {
  for (; count > 0; count--, output += size) memcpy(output, value, (size_t)size);
}

/* A position as 32 bits; one that does not fit becomes one outside every axis. */
static inline int32_t position_at(const void *positions, int32_t index, int32_t width) {
  if (width == 2) return ((const int16_t *)positions)[index];
  if (width == 4) return ((const int32_t *)positions)[index];
  const int64_t wide = ((const int64_t *)positions)[index];
  return wide < 0 || wide > INT32_MAX ? -1 : (int32_t)wide;
}

int eb_take(const int8_t *input, const void *positions, int8_t *output, const eb_take_params *p) {
  for (int32_t batch = 0; batch < p->batches; batch++)
    for (int32_t outer = 0; outer < p->outer; outer++, input += p->length * p->piece)
      for (int32_t i = 0; i < p->count; i++, output += p->piece) {
        const int32_t position = position_at(positions, batch * p->count + i, p->width);
        if (position < 0 || position >= p->length) return 1;
        memcpy(output, input + position * p->piece, (size_t)p->piece);
      }
  return 0;
}

int eb_take_nd(const int8_t *input, const void *positions, int8_t *output, const eb_take_nd_params *p) {
  for (int32_t i = 0; i < p->count; i++, output += p->piece) {
    const int8_t *from = input;
    for (int32_t axis = 0; axis < p->axes; axis++) {
      const int32_t position = position_at(positions, i * p->axes + axis, p->width);
      if (position < 0 || position >= p->lengths[axis]) return 1;
      from += position * p->steps[axis];
    }
    memcpy(output, from, (size_t)p->piece);
  }
  return 0;
}
