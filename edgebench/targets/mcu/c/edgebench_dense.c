/* A matrix product with a scale for each output. It is compiled so that it rounds once when it rescales, as LiteRT does. */
#include "edgebench_dots.h"
#include "edgebench_kernels.h"

void eb_dense_s8(const int8_t *input, const int8_t *kernel, const int32_t *bias, int8_t *output, int16_t *scratch,
                 const eb_dense_params *p) {
#if defined(ARM_MATH_DSP) && !defined(ARM_MATH_MVEI)
  eb_prepare_column(input, scratch, p->features, p->input_offset);
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
    eb_dot_products(input, first, second, p->features, p->input_offset, &a, &b);
    i = p->features;
#elif defined(ARM_MATH_DSP)
    for (; i + 4 <= p->features; i += 4) {
      const int32_t even = eb_read_word(scratch + i), odd = eb_read_word(scratch + i + 2);
      const int32_t f = eb_read_word(first + i), s = eb_read_word(second + i);
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
