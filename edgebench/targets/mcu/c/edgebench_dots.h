/* Products of a column of values with two rows of weights, in the way that suits each core. */
#ifndef EDGEBENCH_DOTS_H
#define EDGEBENCH_DOTS_H
#include <stdint.h>
#include <string.h>

#include "edgebench_instructions.h"

#if defined(ARM_MATH_MVEI)
/* Products and sums of weights, sixteen at a time; the sum carries the input's offset. */
static inline void eb_dot_products(const int8_t *input, const int8_t *first, const int8_t *second, int32_t size,
                                   int32_t offset, int32_t *a, int32_t *b) {
  int32_t first_sum = 0, second_sum = 0;
  for (int32_t left = size; left > 0; left -= 16, input += 16, first += 16, second += 16) {
    const mve_pred16_t lanes = vctp8q((uint32_t)left);
    const int8x16_t value = vldrbq_z_s8(input, lanes), f = vldrbq_z_s8(first, lanes), s = vldrbq_z_s8(second, lanes);
    *a = vmladavaq_s8(*a, value, f), first_sum = vaddvaq_s8(first_sum, f);
    *b = vmladavaq_s8(*b, value, s), second_sum = vaddvaq_s8(second_sum, s);
  }
  *a += offset * first_sum, *b += offset * second_sum;
}
#elif defined(ARM_MATH_DSP)
static inline int32_t eb_read_word(const void *from) {
  int32_t word;
  memcpy(&word, from, 4);
  return word;
}
#endif

/* Prepares a column for eb_two_dots: if the core multiplies pairs, as 16-bit values in the order 0, 2, 1, 3, in
 * which SXTB16 takes a word apart. */
static inline void eb_prepare_column(const int8_t *input, int16_t *wide, int32_t size, int32_t offset) {
#if defined(ARM_MATH_DSP) && !defined(ARM_MATH_MVEI)
  int32_t i = 0;
  for (; i + 4 <= size; i += 4) {
    wide[i] = (int16_t)(input[i] + offset), wide[i + 1] = (int16_t)(input[i + 2] + offset);
    wide[i + 2] = (int16_t)(input[i + 1] + offset), wide[i + 3] = (int16_t)(input[i + 3] + offset);
  }
  for (; i < size; i++) wide[i] = (int16_t)(input[i] + offset);
#else
  (void)input, (void)wide, (void)size, (void)offset;
#endif
}

/* Adds the products of the column with two rows of weights to a and b. */
static inline void eb_two_dots(const int8_t *input, const int16_t *wide, const int8_t *first, const int8_t *second,
                               int32_t size, int32_t offset, int32_t *a, int32_t *b) {
  int32_t i = 0;
  (void)wide;
#if defined(ARM_MATH_MVEI)
  eb_dot_products(input, first, second, size, offset, a, b);
  i = size;
#elif defined(ARM_MATH_DSP)
  for (; i + 4 <= size; i += 4) {
    const int32_t even = eb_read_word(wide + i), odd = eb_read_word(wide + i + 2);
    const int32_t f = eb_read_word(first + i), s = eb_read_word(second + i);
    *a = __SMLAD(even, __SXTB16(f), *a), *b = __SMLAD(even, __SXTB16(s), *b);
    *a = __SMLAD(odd, __SXTB16(__ROR((uint32_t)f, 8)), *a), *b = __SMLAD(odd, __SXTB16(__ROR((uint32_t)s, 8)), *b);
  }
#endif
  for (; i < size; i++) {
    const int32_t value = input[i] + offset;
    *a += value * first[i], *b += value * second[i];
  }
}
#endif
