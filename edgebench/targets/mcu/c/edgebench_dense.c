/* A matrix product with a scale for each output. It is compiled so that it rounds once when it rescales, as LiteRT does. */
#include "edgebench_kernels.h"

#include "arm_nnsupportfunctions.h"

#if defined(ARM_MATH_MVEI)
/* Products and sums of weights, sixteen at a time; the sum carries the input's offset. */
static void dot_products(const int8_t *input, const int8_t *first, const int8_t *second, int32_t size, int32_t offset,
                         int32_t *a, int32_t *b) {
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
/* Four values as 16-bit pairs in the order 0, 2, 1, 3: the order in which SXTB16 takes a word apart. */
static void widen(const int8_t *input, int16_t *output, int32_t size, int32_t offset) {
  int32_t i = 0;
  for (; i + 4 <= size; i += 4) {
    output[i] = (int16_t)(input[i] + offset), output[i + 1] = (int16_t)(input[i + 2] + offset);
    output[i + 2] = (int16_t)(input[i + 1] + offset), output[i + 3] = (int16_t)(input[i + 3] + offset);
  }
  for (; i < size; i++) output[i] = (int16_t)(input[i] + offset);
}

static inline int32_t read_word(const void *from) {
  int32_t word;
  memcpy(&word, from, 4);
  return word;
}
#endif

void eb_dense_s8(const int8_t *input, const int8_t *kernel, const int32_t *bias, int8_t *output, int16_t *scratch,
                 const eb_dense_params *p) {
#if defined(ARM_MATH_DSP) && !defined(ARM_MATH_MVEI)
  widen(input, scratch, p->features, p->input_offset);
#else
  (void)scratch;
#endif
  for (int32_t unit = 0; unit < p->units; unit += 2) {
    const int pair = unit + 1 < p->units;
    const int8_t *first = kernel + unit * p->features;
    const int8_t *second = pair ? first + p->features : first;
    int32_t a = bias ? bias[unit] : 0, b = bias && pair ? bias[unit + 1] : 0;
    int32_t i = 0;
#if defined(ARM_MATH_MVEI)
    dot_products(input, first, second, p->features, p->input_offset, &a, &b);
    i = p->features;
#elif defined(ARM_MATH_DSP)
    for (; i + 4 <= p->features; i += 4) {
      const int32_t even = read_word(scratch + i), odd = read_word(scratch + i + 2);
      const int32_t f = read_word(first + i), s = read_word(second + i);
      a = __SMLAD(even, __SXTB16(f), a), b = __SMLAD(even, __SXTB16(s), b);
      a = __SMLAD(odd, __SXTB16(__ROR((uint32_t)f, 8)), a), b = __SMLAD(odd, __SXTB16(__ROR((uint32_t)s, 8)), b);
    }
#endif
    for (; i < p->features; i++) {
      const int32_t value = input[i] + p->input_offset;
      a += value * first[i], b += value * second[i];
    }
    for (int k = 0; k <= pair; k++) {
      const int32_t scaled = arm_nn_requantize(k ? b : a, p->multipliers[unit + k], p->shifts[unit + k]);
      const int32_t value = scaled + p->output_offset;
      output[unit + k] = (int8_t)(value < p->low ? p->low : value > p->high ? p->high : value);
    }
  }
}
