/* Images of another size. */
#ifndef EDGEBENCH_RESIZE_H
#define EDGEBENCH_RESIZE_H
#include <stdint.h>

typedef struct {
  int32_t batches, in_height, in_width, out_height, out_width, channels;
} eb_resize_params;

/* The nearest pixel, of `channels` bytes; rows[y] and columns[x] select it. */
void eb_resize_nearest(const int8_t *input, int8_t *output, const int16_t *rows, const int16_t *columns,
                       const eb_resize_params *p);
/* Between the four pixels around a place. For each row and column three numbers say between which two it is, and
 * how far from the first towards the second in 1024ths. */
void eb_resize_bilinear_s8(const int8_t *input, int8_t *output, const int16_t *rows, const int16_t *columns,
                           const eb_resize_params *p);
void eb_resize_bilinear_s16(const int16_t *input, int16_t *output, const int16_t *rows, const int16_t *columns,
                            const eb_resize_params *p);
#endif
