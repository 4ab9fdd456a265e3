/* A matrix product with a scale for each output. It is compiled so that it rounds once when it rescales, as LiteRT does. */
#include "edgebench_dots.h"
#include "edgebench_kernels.h"

void eb_dense_s8(const int8_t *input, const int8_t *kernel, const int32_t *bias, int8_t *output, int16_t *scratch,
                 const eb_dense_params *p) {
  eb_prepare_column(input, scratch, p->features, p->input_offset);
  for (int32_t unit = 0; unit < p->units; unit += 2) {
    const int pair = unit + 1 < p->units;
    const int8_t *first = kernel + unit * p->features;
    const int8_t *second = pair ? first + p->features : first;
    int32_t a = bias ? bias[unit] : 0, b = bias && pair ? bias[unit + 1] : 0;
    eb_two_dots(input, scratch, first, second, p->features, p->input_offset, &a, &b);
    for (int k = 0; k <= pair; k++) {
      const int32_t scaled = arm_nn_requantize(k ? b : a, p->multipliers[unit + k], p->shifts[unit + k]);
      const int32_t value = scaled + p->output_offset;
      output[unit + k] = (int8_t)(value < p->low ? p->low : value > p->high ? p->high : value);
    }
  }
}
