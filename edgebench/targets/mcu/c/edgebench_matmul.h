/* Products of matrices that are both computed, or whose results are scaled as real numbers are. */
#ifndef EDGEBENCH_MATMUL_H
#define EDGEBENCH_MATMUL_H
#include <stdint.h>

/* A factor as a double, and near it as a fraction of 31 bits and a power of two. */
typedef struct {
  double factor;
  int32_t multiplier, shift;
} eb_exact_scale;

typedef struct {
  int32_t depth, vectors, lines;             /* each vector is multiplied with each line, over `depth` values */
  int32_t vector_step, vector_stride;        /* from one vector to the next, and within one */
  int32_t line_step, line_stride;            /* the same for lines */
  int32_t out_vector_step, out_line_step;    /* where results go */
  int32_t vector_offset, line_offset, out_offset;
  int32_t multiplier, shift;                 /* of results, if there are no exact scales */
  const eb_exact_scale *scales;              /* one for all lines, or one for each */
  int32_t scale_step;                        /* 0 or 1 */
  int32_t low, high;
} eb_matmul_params;

/* Scratch holds `depth` values of 16 bits, aligned to 4 bytes; bias is one value per line, or NULL. */
void eb_matmul_s8(const int8_t *vectors, const int8_t *lines, const int32_t *bias, int8_t *output, int16_t *scratch,
                  const eb_matmul_params *p);
#endif
