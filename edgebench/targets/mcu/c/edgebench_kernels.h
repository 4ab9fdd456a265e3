/* Operators that CMSIS-NN's int8 bundle lacks. Results are bit-identical to TFLite's reference kernels. */
#ifndef EDGEBENCH_KERNELS_H
#define EDGEBENCH_KERNELS_H
#include <stdint.h>

#include "edgebench_columns.h"
#include "edgebench_logic.h"
#include "edgebench_math.h"
#include "edgebench_matmul.h"
#include "edgebench_movement.h"
#include "edgebench_recurrent.h"
#include "edgebench_resize.h"
#include "edgebench_wide.h"

typedef struct {
  int32_t features, units;
  int32_t input_offset, output_offset;
  const int32_t *multipliers, *shifts;
  int32_t low, high;
} eb_dense_params;

/* A vector times a matrix with a scale for each output; scratch holds `features` 16-bit values. */
void eb_dense_s8(const int8_t *input, const int8_t *kernel, const int32_t *bias, int8_t *output, int16_t *scratch,
                 const eb_dense_params *p);

/* Sum, difference, product, smaller and larger of two tensors; the last three use no input multipliers.
 * eb_X_s8 takes tensors of equal size; eb_X_repeated_s8 walks over four axes, along which each input moves by its
 * own steps, 0 where it is repeated. The output may overwrite an input of its size. */
#define EB_BINARY(name)                                                                                       \
  void eb_##name##_s8(const int8_t *first, const int8_t *second, int8_t *output, int32_t size,                \
                      const eb_binary_params *p);                                                             \
  void eb_##name##_repeated_s8(const int8_t *first, const int32_t *step1, const int8_t *second,               \
                               const int32_t *step2, int8_t *output, const int32_t *sizes,                    \
                               const eb_binary_params *p);
EB_BINARY(add)
EB_BINARY(sub)
EB_BINARY(mul)
EB_BINARY(minimum)
EB_BINARY(maximum)
/* Any function of one value, as a table of its 256 results, the one for -128 first. */
void eb_table_s8(const int8_t *input, int8_t *output, int32_t size, const int8_t *table);
/* Softmax over rows of `width` values; table[d] is exp(-d * scale * beta) for the distance d to the largest. */
void eb_softmax_s8(const int8_t *input, int8_t *output, int32_t rows, int32_t width, const float *table, float scale,
                   int32_t zero_point);
/* Zeros, that is the zero point, around an image. */
void eb_pad_s8(const int8_t *input, int8_t *output, int32_t height, int32_t width, int32_t channels, int32_t top,
               int32_t bottom, int32_t left, int32_t right, int8_t zero);
/* Mean over the middle one of three axes; the multiplier holds the division. */
void eb_mean_s8(const int8_t *input, int8_t *output, int32_t outer, int32_t count, int32_t inner, int32_t in_offset,
                int32_t out_offset, int32_t multiplier, int32_t shift);
/* Values at regular distances over four axes, the last one innermost: slices and transposes. */
void eb_gather_s8(const int8_t *input, int8_t *output, const int32_t *sizes, const int32_t *steps);
/* Pieces of `size` bytes from one tensor into another with a longer row. */
void eb_copy_rows(const int8_t *input, int8_t *output, int32_t rows, int32_t size, int32_t stride);
#endif
