/* Convolutions that CMSIS-NN's bundle lacks: of groups of channels, and transposed. */
#ifndef EDGEBENCH_COLUMNS_H
#define EDGEBENCH_COLUMNS_H
#include <stdint.h>

/* Outputs at regular places, each the product of the weights with the same arrangement of pixels ("taps") around a
 * place of the input. A grouped convolution is one of these, a transposed one of stride s is s * s of them. */
typedef struct {
  int32_t batches, in_height, in_width, in_channels;
  int32_t out_height, out_width, out_channels;
  int32_t rows, columns;                             /* outputs that are computed */
  int32_t first_row, first_column, row_step, column_step; /* where they are */
  int32_t tap_rows, tap_columns;                     /* pixels that each of them takes */
  int32_t top, left;                                 /* the first tap of the first output, in the input */
  int32_t down, right;                               /* from one output to the next, in the input */
  int32_t tap_down, tap_right;                       /* from one tap to the next, in the input */
  int32_t group_channels, group_filters;
  int32_t input_offset, output_offset, low, high;
  int32_t narrow;                                    /* whether sums of 16-bit values have 32 bits, otherwise 64 */
  const int32_t *multipliers, *shifts;               /* multipliers have 15 bits if sums have 64 */
} eb_columns_params;

/* Weights are ordered by filter, tap and channel. `column` holds the taps of one output, `wide` twice as many bytes. */
void eb_columns_s8(const int8_t *input, const int8_t *kernel, const int32_t *bias, int8_t *output, int8_t *column,
                   int16_t *wide, const eb_columns_params *p);
/* The same for values of 16 bits, symmetric around 0; `column` holds the taps of one output. */
void eb_columns_s16(const int16_t *input, const int8_t *kernel, const int64_t *bias, int16_t *output, int16_t *column,
                    const eb_columns_params *p);
#endif
