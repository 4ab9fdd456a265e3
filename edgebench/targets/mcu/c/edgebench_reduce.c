/* Reductions over any axes. */
#include "edgebench_kernels.h"

#include "edgebench_fixed.h"

/* Runs `each` on every value that goes into a result, and `end` with the place of the result. */
#define REDUCE(type, each, end)                                                                                \
  for (int32_t i = 0; i < shape->kept[0]; i++)                                                                 \
    for (int32_t j = 0; j < shape->kept[1]; j++)                                                               \
      for (int32_t k = 0; k < shape->kept[2]; k++) {                                                           \
        const type *start =                                                                                    \
            input + i * shape->kept_steps[0] + j * shape->kept_steps[1] + k * shape->kept_steps[2];            \
        int32_t result = *start, first = 1;                                                                    \
        for (int32_t l = 0; l < shape->reduced[0]; l++)                                                        \
          for (int32_t m = 0; m < shape->reduced[1]; m++) {                                                    \
            const type *value = start + l * shape->reduced_steps[0] + m * shape->reduced_steps[1];             \
            for (int32_t n = 0; n < shape->reduced[2]; n++, value += shape->reduced_steps[2], first = 0) each; \
          }                                                                                                    \
        *output++ = (type)(end);                                                                               \
      }

#define DEFINE(suffix, type, lowest, highest)                                                                  \
  void eb_reduce_max_##suffix(const type *input, type *output, const eb_reduce_shape *shape) {                 \
    REDUCE(type, if (*value > result) result = *value, result)                                                 \
  }                                                                                                            \
  void eb_reduce_min_##suffix(const type *input, type *output, const eb_reduce_shape *shape) {                 \
    REDUCE(type, if (*value < result) result = *value, result)                                                 \
  }                                                                                                            \
  void eb_reduce_sum_##suffix(const type *input, type *output, const eb_reduce_shape *shape,                   \
                              const eb_reduce_params *p) {                                                     \
    REDUCE(type, result = (first ? 0 : result) + *value + p->offset,                                           \
           eb_clamp(eb_rescale(result, p->multiplier, p->shift) + p->out_offset, lowest, highest))             \
  }                                                                                                            \
  void eb_reduce_prod_##suffix(const type *input, type *output, const eb_reduce_shape *shape,                  \
                               const eb_reduce_params *p) {                                                    \
    REDUCE(type,                                                                                               \
           result = first ? *value + p->offset                                                                 \
                          : eb_rescale_wide((int64_t)result * (*value + p->offset), p->multiplier, p->shift),  \
           eb_clamp(eb_rescale_wide(result, p->multiplier, p->shift) + p->out_offset, lowest, highest))        \
  }

DEFINE(s8, int8_t, -128, 127)
DEFINE(s16, int16_t, -32768, 32767)
