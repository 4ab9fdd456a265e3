/* Fixed-point arithmetic that rounds as TFLite's reference kernels do. */
#ifndef EDGEBENCH_FIXED_H
#define EDGEBENCH_FIXED_H
#include <stdint.h>

static inline int32_t eb_clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

/* Number of zeros in front of the highest bit of a value above 0. */
static inline int32_t eb_leading_zeros(uint32_t value) { return __builtin_clz(value); }

/* Product of two fractions of 31 bits, halves rounded up; -1 times -1 is the largest. */
static inline int32_t eb_product(int32_t a, int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* Division by 2^bits, halves rounded away from 0; bits is 0 to 31. */
static inline int32_t eb_shift_right(int32_t value, int32_t bits) {
  const int32_t mask = (int32_t)((1u << bits) - 1), rest = value & mask;
  return (value >> bits) + (rest > (mask >> 1) + (value < 0));
}

/* Multiplication by 2^bits that stops at the ends of the range. */
static inline int32_t eb_shift_left(int32_t value, int32_t bits) {
  const int32_t limit = (int32_t)((1u << (31 - bits)) - 1);
  if (value > limit) return INT32_MAX;
  if (value < -limit) return INT32_MIN;
  return (int32_t)((uint32_t)value << bits);
}

/* value * multiplier / 2^31 * 2^shift, rounded after the product and after the shift. */
static inline int32_t eb_rescale(int32_t value, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0;
  const int32_t moved = (int32_t)((uint32_t)value << left);
  return eb_shift_right((int32_t)(((int64_t)moved * multiplier + (1 << 30)) >> 31), left - shift);
}

/* The same of a wide value with a multiplier of 15 bits, rounded once. */
static inline int32_t eb_rescale_wide(int64_t value, int32_t multiplier, int32_t shift) {
  return (int32_t)((value * multiplier + ((int64_t)1 << (14 - shift))) >> (15 - shift));
}

/* 1 / (1 + x) for a fraction x from 0 to 1, by Newton's method. */
static inline int32_t eb_reciprocal_of_one_plus(int32_t x) {
  const int32_t half = (int32_t)(((uint32_t)x + 0x80000000u) >> 1);
  int32_t guess = 1515870810 + eb_product(half, -1010580540); /* 48 / 17 and -32 / 17, in steps of 2^-29 */
  for (int i = 0; i < 3; i++) {
    const int32_t error = (1 << 29) - eb_product(half, guess);
    guess += eb_shift_left(eb_product(guess, error), 2);
  }
  return eb_shift_left(guess, 1);
}
#endif
