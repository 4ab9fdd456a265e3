/* Rescaling as double precision does it. */
#ifndef EDGEBENCH_EXACT_H
#define EDGEBENCH_EXACT_H
#include "edgebench_matmul.h"

/* value * factor in double precision, halves rounded away from 0: with integers if they determine the answer. */
static inline int32_t eb_rescale_exactly(int64_t value, const eb_exact_scale *scale) {
  const int32_t bits = 31 - scale->shift;
  if (value == (int32_t)value && bits > 0 && bits < 62) {
    const int64_t product = value * scale->multiplier;
    const int64_t half = (int64_t)1 << (bits - 1), above = (product & (2 * half - 1)) - half;
    const int64_t doubt = ((value < 0 ? -value : value) >> 1) + 2048;
    if (above > doubt || above < -doubt) return (int32_t)((product + half) >> bits);
  }
  const double product = (double)value * scale->factor;
  int32_t whole = (int32_t)product;
  const double rest = product - whole;
  if (rest >= 0.5) whole++;
  if (rest <= -0.5) whole--;
  return whole;
}
#endif
