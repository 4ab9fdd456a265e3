#include "edgebench_resize.h"

#include <stddef.h>
#include <string.h>

void eb_resize_nearest(const int8_t *input, int8_t *output, const int16_t *rows, const int16_t *columns,
                       const eb_resize_params *p) {
  const int32_t row_bytes = p->in_width * p->channels;
  for (int32_t image = 0; image < p->batches; image++, input += p->in_height * row_bytes)
    for (int32_t y = 0; y < p->out_height; y++) {
      const int8_t *row = input + rows[y] * row_bytes;
      for (int32_t x = 0; x < p->out_width; x++, output += p->channels)
        memcpy(output, row + columns[x] * p->channels, (size_t)p->channels);
    }
}

/* Halves are rounded away from zero. */
#define BILINEAR(name, type, wide)                                                                               \
  void name(const type *input, type *output, const int16_t *rows, const int16_t *columns,                        \
            const eb_resize_params *p) {                                                                         \
    const int32_t width = p->in_width * p->channels;                                                             \
    for (int32_t image = 0; image < p->batches; image++, input += p->in_height * width)                          \
      for (int32_t y = 0; y < p->out_height; y++) {                                                              \
        const type *above = input + rows[3 * y] * width, *below = input + rows[3 * y + 1] * width;               \
        const int32_t down = rows[3 * y + 2], up = 1024 - down;                                                  \
        for (int32_t x = 0; x < p->out_width; x++) {                                                             \
          const int32_t left = columns[3 * x] * p->channels, right = columns[3 * x + 1] * p->channels;           \
          const int32_t east = columns[3 * x + 2], west = 1024 - east;                                           \
          const int32_t a = up * west, b = up * east, c = down * west, d = down * east;                          \
          for (int32_t i = 0; i < p->channels; i++) {                                                            \
            const wide sum = (wide)above[left + i] * a + (wide)above[right + i] * b + (wide)below[left + i] * c + \
                             (wide)below[right + i] * d;                                                         \
            *output++ = (type)((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));                            \
          }                                                                                                      \
        }                                                                                                        \
      }                                                                                                          \
  }

BILINEAR(eb_resize_bilinear_s8, int8_t, int32_t)
BILINEAR(eb_resize_bilinear_s16, int16_t, int64_t)
