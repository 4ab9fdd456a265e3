/* More operators that CMSIS-NN's int8 bundle lacks: arithmetic, reductions, normalisation. */
#ifndef EDGEBENCH_MATH_H
#define EDGEBENCH_MATH_H
#include <stdint.h>

typedef struct {
  int32_t offset1, multiplier1, shift1;
  int32_t offset2, multiplier2, shift2;
  int32_t offset, multiplier, shift;
  int32_t low, high;
} eb_binary_params;

/* A function of one value of each of two tensors: eb_X_T takes tensors of equal size, eb_X_repeated_T walks over four
 * axes, along which each input moves by its own steps, 0 where it is repeated. The output may overwrite an input of
 * its size and type. */
#define EB_BINARY_OF(name, suffix, type1, type2, type)                                                         \
  void eb_##name##_##suffix(const type1 *first, const type2 *second, type *output, int32_t size,               \
                            const eb_binary_params *p);                                                        \
  void eb_##name##_repeated_##suffix(const type1 *first, const int32_t *step1, const type2 *second,            \
                                     const int32_t *step2, type *output, const int32_t *sizes,                 \
                                     const eb_binary_params *p);
EB_BINARY_OF(div, s8, int8_t, int8_t, int8_t)
EB_BINARY_OF(squared_difference, s8, int8_t, int8_t, int8_t)
/* The second tensor holds slopes below 0. */
EB_BINARY_OF(prelu, s8, int8_t, int8_t, int8_t)

/* Which axes are kept and which are reduced, and the distance between values of each; sizes of 1 fill up. */
typedef struct {
  int32_t kept[3], kept_steps[3], reduced[3], reduced_steps[3];
} eb_reduce_shape;

typedef struct {
  int32_t offset;            /* of the input */
  int32_t multiplier, shift; /* of a sum, or of each step of a product */
  int32_t out_offset;
} eb_reduce_params;

/* Largest, smallest, sum and product over axes. */
#define EB_REDUCTIONS(suffix, type)                                                                            \
  void eb_reduce_max_##suffix(const type *input, type *output, const eb_reduce_shape *shape);                  \
  void eb_reduce_min_##suffix(const type *input, type *output, const eb_reduce_shape *shape);                  \
  void eb_reduce_sum_##suffix(const type *input, type *output, const eb_reduce_shape *shape,                   \
                              const eb_reduce_params *p);                                                      \
  void eb_reduce_prod_##suffix(const type *input, type *output, const eb_reduce_shape *shape,                  \
                               const eb_reduce_params *p);
EB_REDUCTIONS(s8, int8_t)
EB_REDUCTIONS(s16, int16_t)

typedef struct {
  const int32_t *exponentials; /* of each distance to the largest value, in steps of 2^-19 */
  int32_t count;               /* of distances that are worth a term */
  int32_t multiplier, shift;   /* from a distance to steps of 2^-26 */
  int32_t back, back_shift;    /* and from there to a distance */
} eb_log_softmax_params;
/* Logarithm of softmax over rows of `width` values, in steps of 1/16 with the zero point 127. */
void eb_log_softmax_s8(const int8_t *input, int8_t *output, int32_t rows, int32_t width,
                       const eb_log_softmax_params *p);
/* 1 / sqrt(value) as a multiplier, which is returned, and a shift; by Newton's method. */
int32_t eb_inverse_root(int32_t value, int32_t *shift);
/* Rows divided by their length, in steps of 1/128. */
void eb_l2_normalization_s8(const int8_t *input, int8_t *output, int32_t rows, int32_t width, int32_t offset);
#endif
