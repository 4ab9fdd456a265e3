/* Operators on values of 16 bits, symmetric around 0, with weights of 8 bits. */
#ifndef EDGEBENCH_WIDE_H
#define EDGEBENCH_WIDE_H
#include <stdint.h>

#include "edgebench_math.h"
#include "edgebench_matmul.h"

EB_BINARY_OF(add, s16, int16_t, int16_t, int16_t)
EB_BINARY_OF(sub, s16, int16_t, int16_t, int16_t)
EB_BINARY_OF(mul, s16, int16_t, int16_t, int16_t)
EB_BINARY_OF(div, s16, int16_t, int16_t, int16_t)
EB_BINARY_OF(minimum, s16, int16_t, int16_t, int16_t)
EB_BINARY_OF(maximum, s16, int16_t, int16_t, int16_t)
EB_BINARY_OF(prelu, s16, int16_t, int8_t, int16_t)
/* Sum and difference of values whose scales are powers of two: they are only shifted. */
EB_BINARY_OF(add_shifted, s16, int16_t, int16_t, int16_t)
EB_BINARY_OF(sub_shifted, s16, int16_t, int16_t, int16_t)

/* The same values in steps of another size or of another type. */
#define EB_REQUANTIZE(from, to)                                                                                \
  void eb_requantize_##from##_##to(const void *input, void *output, int32_t size, int32_t offset,              \
                                   int32_t multiplier, int32_t shift, int32_t out_offset);
EB_REQUANTIZE(s8, s16)
EB_REQUANTIZE(s8, u8)
EB_REQUANTIZE(u8, s8)
EB_REQUANTIZE(u8, s16)
EB_REQUANTIZE(u8, u8)
EB_REQUANTIZE(s16, s8)
EB_REQUANTIZE(s16, s16)
EB_REQUANTIZE(s16, s32)
EB_REQUANTIZE(s32, s8)
EB_REQUANTIZE(s32, s16)

typedef struct {
  int32_t multiplier, shift;             /* from 0 on */
  int32_t below_multiplier, below_shift; /* below 0 */
  int32_t below_sign;
  int32_t low, high;
} eb_slopes_params;
/* A straight line on each side of 0. */
void eb_slopes_s16(const int16_t *input, int16_t *output, int32_t size, const eb_slopes_params *p);
void eb_negate_s16(const int16_t *input, int16_t *output, int32_t size);
/* A function as 513 of its results, 128 steps apart, with straight lines between. */
void eb_curve_s16(const int16_t *input, int16_t *output, int32_t size, const int16_t *curve);
/* 1 / (1 + exp(-x)), from its results for 0, 1/24, ..., 255/24 in steps of 2^-16; twice of it minus 1 for twice of x. */
void eb_logistic_s16(const int16_t *input, int16_t *output, int32_t size, const uint16_t *curve, int32_t multiplier,
                     int32_t shift);
void eb_tanh_s16(const int16_t *input, int16_t *output, int32_t size, const uint16_t *curve, int32_t multiplier,
                 int32_t shift);
/* Softmax over rows of `width` values, with curves of exp(x) from -10 to 0 and of 1 / (1 + x) from 0 to 1. */
void eb_softmax_s16(const int16_t *input, int16_t *output, int32_t rows, int32_t width, const int16_t *exponentials,
                    const int16_t *reciprocals, int32_t multiplier, int32_t shift);
/* Softmax of 8-bit values without real numbers; exponentials[d] is that of the distance d to the largest, in steps of
 * 2^-31. */
void eb_softmax_s8_s8(const int8_t *input, int8_t *output, int32_t rows, int32_t width, const int32_t *exponentials);
void eb_softmax_s8_s16(const int8_t *input, int16_t *output, int32_t rows, int32_t width,
                       const int32_t *exponentials);

typedef struct {
  int32_t batches, in_height, in_width, in_channels;
  int32_t out_height, out_width, out_channels;
  int32_t height, width; /* of the window */
  int32_t stride_y, stride_x, top, left, dilation_y, dilation_x;
  int32_t groups; /* of channels, that are convolved by themselves */
  int32_t narrow; /* whether sums have 32 bits, else 64 */
  const int32_t *multipliers, *shifts; /* multipliers have 15 bits if sums have 64 */
  int32_t low, high;
} eb_wide_params;

/* Bias is of 64 bits, or NULL. Scratch holds the values of one window. */
void eb_convolve_s16(const int16_t *input, const int8_t *kernel, const int64_t *bias, int16_t *output,
                     int16_t *scratch, const eb_wide_params *p);
/* Each channel by itself; scratch holds 4 bytes for each output channel. */
void eb_depthwise_s16(const int16_t *input, const int8_t *kernel, const int64_t *bias, int16_t *output,
                      int32_t *scratch, const eb_wide_params *p);
void eb_average_pool_s16(const int16_t *input, int16_t *output, const eb_wide_params *p);
void eb_max_pool_s16(const int16_t *input, int16_t *output, const eb_wide_params *p);

typedef struct {
  int32_t rows, features, units;
  int32_t weight_offset;
  int32_t narrow; /* whether sums have 32 bits, else 64 */
  const eb_exact_scale *scales;
  int32_t scale_step;
  int32_t low, high;
} eb_wide_dense_params;
/* Scratch holds `features` values. */
void eb_dense_s16(const int16_t *input, const int8_t *kernel, const int64_t *bias, int16_t *output, int16_t *scratch,
                  const eb_wide_dense_params *p);

/* As eb_matmul_s8, with sums of 64 bits and multipliers of 15. */
void eb_matmul_s16_s16(const int16_t *vectors, const int16_t *lines, int16_t *output, int16_t *scratch,
                       const eb_matmul_params *p);
void eb_matmul_s8_s16(const int8_t *vectors, const int16_t *lines, int16_t *output, int16_t *scratch,
                      const eb_matmul_params *p);
void eb_matmul_s16_s8(const int16_t *vectors, const int8_t *lines, int16_t *output, int16_t *scratch,
                      const eb_matmul_params *p);
#endif
