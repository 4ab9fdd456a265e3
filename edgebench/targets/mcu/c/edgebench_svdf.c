/* Filters over time (singular value decomposition filters). */
#include "edgebench_dots.h"
#include "edgebench_fixed.h"
#include "edgebench_kernels.h"

/* An 8-bit state may wrap around when its zero point is added, as in TensorFlow Lite Micro. */
#define SVDF(suffix, type, lowest, highest)                                                                    \
  void eb_svdf_##suffix(const int8_t *input, const type *time_weights, int8_t *output, type *state,            \
                        int16_t *scratch, const eb_svdf_params *p) {                                           \
    for (int32_t batch = 0; batch < p->batches; batch++, input += p->inputs) {                                 \
      const type *weights = time_weights;                                                                      \
      int32_t sum = p->bias ? p->bias[0] : 0;                                                                  \
      eb_prepare_column(input, scratch, p->inputs, p->input_offset);                                           \
      for (int32_t filter = 0, unit = 0, part = 0; filter < p->filters; filter++) {                            \
        const int8_t *row = p->weights + filter * p->inputs;                                                   \
        int32_t fresh = 0, other = 0;                                                                          \
        eb_two_dots(input, scratch, row, row, p->inputs, p->input_offset, &fresh, &other);                     \
        fresh = eb_clamp(eb_rescale(fresh, p->multiplier, p->shift), lowest, highest) + p->state_zero;         \
        for (int32_t i = 0; i < p->memory; i++) {                                                              \
          state[i] = i + 1 < p->memory ? state[i + 1] : (type)fresh;                                           \
          sum += (state[i] - p->state_zero) * weights[i];                                                      \
        }                                                                                                      \
        state += p->memory, weights += p->memory;                                                              \
        if (++part < p->rank) continue;                                                                        \
        *output++ = (int8_t)eb_clamp(eb_rescale(sum, p->out_multiplier, p->out_shift) + p->out_zero, -128, 127); \
        part = 0, unit++;                                                                                      \
        sum = p->bias && filter + 1 < p->filters ? p->bias[unit] : 0;                                          \
      }                                                                                                        \
    }                                                                                                          \
  }

SVDF(s8, int8_t, -128, 127)
SVDF(s16, int16_t, -32768, 32767)
