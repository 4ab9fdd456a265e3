/* Quotients as TFLite's reference kernels round them. */
#ifndef EDGEBENCH_QUOTIENT_H
#define EDGEBENCH_QUOTIENT_H
#include "edgebench_fixed.h"
#include "edgebench_math.h"

/* LiteRT's kernel shifts by more than 31 bits if a quotient is below a quarter of a step. What its compilers make of
 * that on processors whose shifts take five bits is part of its results, and so of ours. */
static inline int32_t eb_shift_right_as_litert(int32_t value, int32_t bits) {
  if (bits >= 0 && bits <= 31) return eb_shift_right(value, bits);
  return (value >> (bits & 31)) + (value >= 0);
}

static inline int32_t eb_quotient(int32_t above, int32_t below, const eb_binary_params *p) {
  if (below < 0) above = -above, below = -below;
  if (below == 0) below = 1; /* LiteRT refuses it */
  const int32_t zeros = eb_leading_zeros((uint32_t)below);
  const int32_t inverse = eb_reciprocal_of_one_plus((int32_t)(((uint32_t)below << zeros) - 0x80000000u));
  const uint32_t size = above < 0 ? 2u * (uint32_t)-above - 1 : (uint32_t)above;
  const int32_t room = size == 0 ? 31 : eb_leading_zeros(size) - 1 + (above < 0);
  const int32_t whole = eb_product((int32_t)((uint32_t)above << room), inverse);
  const int32_t bits = 31 - zeros + room - p->shift;
  const int32_t value = eb_shift_right_as_litert(eb_product(whole, p->multiplier), bits) + p->offset;
  return eb_clamp(value, p->low, p->high);
}
#endif
