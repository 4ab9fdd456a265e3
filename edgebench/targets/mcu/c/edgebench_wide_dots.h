/* Products of 16-bit values with weights of 8 bits. */
#ifndef EDGEBENCH_WIDE_DOTS_H
#define EDGEBENCH_WIDE_DOTS_H
#include <stdint.h>
#include <string.h>

#include "edgebench_instructions.h"

#define EB_CHUNK 256 /* products whose sum surely fits into 32 bits */

/* Puts values into the order that eb_wide_dots needs: if the core multiplies pairs, 0, 2, 1, 3, in which SXTB16 takes
 * a word of weights apart. Blocks of four begin anew with each call; all but the last must be whole. */
static inline void eb_arrange(const int16_t *from, int16_t *to, int32_t size) {
#if defined(ARM_MATH_DSP) && !defined(ARM_MATH_MVEI)
  int32_t i = 0;
  for (; i + 4 <= size; i += 4) {
    const int16_t a = from[i], b = from[i + 1], c = from[i + 2], d = from[i + 3];
    to[i] = a, to[i + 1] = c, to[i + 2] = b, to[i + 3] = d;
  }
  for (; i < size; i++) to[i] = from[i];
#else
  memcpy(to, from, (size_t)size * sizeof *to);
#endif
}

/* Adds the products of arranged values with two rows of weights to a and b. */
static inline void eb_wide_dots(const int16_t *values, const int8_t *first, const int8_t *second, int32_t size,
                                int64_t *a, int64_t *b) {
  int32_t i = 0;
#if defined(ARM_MATH_MVEI)
  for (; i < size; i += 8) {
    const mve_pred16_t lanes = vctp16q((uint32_t)(size - i));
    const int16x8_t value = vldrhq_z_s16(values + i, lanes);
    *a = vmlaldavaq_s16(*a, value, vldrbq_z_s16(first + i, lanes));
    *b = vmlaldavaq_s16(*b, value, vldrbq_z_s16(second + i, lanes));
  }
#else
  while (i < size) {
    const int32_t end = size - i > EB_CHUNK ? i + EB_CHUNK : size;
    int32_t c = 0, d = 0;
#if defined(ARM_MATH_DSP)
    for (; i + 4 <= end; i += 4) {
      int32_t even, odd, f, s;
      memcpy(&even, values + i, 4), memcpy(&odd, values + i + 2, 4);
      memcpy(&f, first + i, 4), memcpy(&s, second + i, 4);
      c = __SMLAD(even, __SXTB16(f), c), d = __SMLAD(even, __SXTB16(s), d);
      c = __SMLAD(odd, __SXTB16(__ROR((uint32_t)f, 8)), c), d = __SMLAD(odd, __SXTB16(__ROR((uint32_t)s, 8)), d);
    }
#endif
    for (; i < end; i++) c += values[i] * first[i], d += values[i] * second[i];
    *a += c, *b += d;
  }
#endif
}
#endif
