/* Products of matrices. */
#include "edgebench_kernels.h"

#include "edgebench_instructions.h"
#include "edgebench_exact.h"
#include "edgebench_fixed.h"

#if defined(ARM_MATH_DSP) && !defined(ARM_MATH_MVEI)
#define IN_PAIRS 1
#else
#define IN_PAIRS 0
#endif

/* A vector with its offset as 16-bit values; returns their sum. Where pairs are multiplied, four values are in the
 * order 0, 2, 1, 3, in which SXTB16 takes a word apart. */
static int32_t widen(const int8_t *from, int32_t stride, int32_t size, int32_t offset, int in_pairs, int16_t *to) {
  int32_t sum = 0, i = 0;
  if (in_pairs)
    for (; i + 4 <= size; i += 4, from += 4 * stride) {
      to[i] = (int16_t)(from[0] + offset), to[i + 1] = (int16_t)(from[2 * stride] + offset);
      to[i + 2] = (int16_t)(from[stride] + offset), to[i + 3] = (int16_t)(from[3 * stride] + offset);
      sum += to[i] + to[i + 1] + to[i + 2] + to[i + 3];
    }
  for (; i < size; i++, from += stride) sum += to[i] = (int16_t)(*from + offset);
  return sum;
}

static inline int32_t dot(const int8_t *line, const int16_t *vector, int32_t size) {
  int32_t sum = 0, i = 0;
#if defined(ARM_MATH_MVEI)
  for (; i < size; i += 8) {
    const mve_pred16_t lanes = vctp16q((uint32_t)(size - i));
    sum = vmladavaq_s16(sum, vldrbq_z_s16(line + i, lanes), vldrhq_z_s16(vector + i, lanes));
  }
#elif IN_PAIRS
  for (; i + 4 <= size; i += 4) {
    int32_t word, even, odd;
    memcpy(&word, line + i, 4), memcpy(&even, vector + i, 4), memcpy(&odd, vector + i + 2, 4);
    sum = __SMLAD(even, __SXTB16(word), sum);
    sum = __SMLAD(odd, __SXTB16(__ROR((uint32_t)word, 8)), sum);
  }
#endif
  for (; i < size; i++) sum += line[i] * vector[i];
  return sum;
}

static int32_t dot_apart(const int8_t *line, int32_t stride, const int16_t *vector, int32_t size) {
  int32_t sum = 0;
  for (int32_t i = 0; i < size; i++, line += stride) sum += *line * vector[i];
  return sum;
}

void eb_matmul_s8(const int8_t *vectors, const int8_t *lines, const int32_t *bias, int8_t *output, int16_t *scratch,
                  const eb_matmul_params *p) {
  for (int32_t v = 0; v < p->vectors; v++, vectors += p->vector_step, output += p->out_vector_step) {
    const int32_t sum = widen(vectors, p->vector_stride, p->depth, p->vector_offset,
                              IN_PAIRS && p->line_stride == 1, scratch);
    const int8_t *line = lines;
    for (int32_t l = 0; l < p->lines; l++, line += p->line_step) {
      int32_t total = p->line_stride == 1 ? dot(line, scratch, p->depth)
                                          : dot_apart(line, p->line_stride, scratch, p->depth);
      total += p->line_offset * sum + (bias ? bias[l] : 0);
      const int32_t scaled = p->scales ? eb_rescale_exactly(total, p->scales + l * p->scale_step)
                                       : eb_rescale(total, p->multiplier, p->shift);
      output[l * p->out_line_step] = (int8_t)eb_clamp(scaled + p->out_offset, p->low, p->high);
    }
  }
}
