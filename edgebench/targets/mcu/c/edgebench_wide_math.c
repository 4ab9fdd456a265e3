/* Functions of one or two values of 16 bits, and of rows of them. */
#include "edgebench_fixed.h"
#include "edgebench_kernels.h"
#include "edgebench_quotient.h"
#include "edgebench_walk.h"

static inline int32_t sum(int16_t first, int16_t second, const eb_binary_params *p, int32_t sign) {
  const int32_t a = eb_rescale(first * (1 << 15), p->multiplier1, p->shift1);
  const int32_t b = eb_rescale(second * (1 << 15), p->multiplier2, p->shift2);
  return eb_clamp(eb_rescale(sign > 0 ? a + b : a - b, p->multiplier, p->shift), p->low, p->high);
}

static inline int16_t add_one_s16(int16_t first, int16_t second, const eb_binary_params *p) {
  return (int16_t)sum(first, second, p, 1);
}

static inline int16_t sub_one_s16(int16_t first, int16_t second, const eb_binary_params *p) {
  return (int16_t)sum(first, second, p, -1);
}

static inline int16_t add_shifted_one_s16(int16_t first, int16_t second, const eb_binary_params *p) {
  const int32_t value = eb_shift_right(first, p->shift1) + eb_shift_right(second, p->shift2);
  return (int16_t)eb_clamp(eb_clamp(value, -32768, 32767), p->low, p->high);
}

static inline int16_t sub_shifted_one_s16(int16_t first, int16_t second, const eb_binary_params *p) {
  const int32_t value = eb_shift_right(first, p->shift1) - eb_shift_right(second, p->shift2);
  return (int16_t)eb_clamp(value, p->low, p->high);
}

static inline int16_t mul_one_s16(int16_t first, int16_t second, const eb_binary_params *p) {
  return (int16_t)eb_clamp(eb_rescale(first * second, p->multiplier, p->shift), p->low, p->high);
}

static inline int16_t div_one_s16(int16_t first, int16_t second, const eb_binary_params *p) {
  return (int16_t)eb_quotient(first, second, p);
}

static inline int16_t minimum_one_s16(int16_t first, int16_t second, const eb_binary_params *p) {
  (void)p;
  return first < second ? first : second;
}

static inline int16_t maximum_one_s16(int16_t first, int16_t second, const eb_binary_params *p) {
  (void)p;
  return first > second ? first : second;
}

static inline int16_t prelu_one_s16(int16_t value, int8_t slope, const eb_binary_params *p) {
  const int32_t result = value >= 0 ? eb_rescale(value, p->multiplier1, p->shift1)
                                    : eb_rescale(value * (slope + p->offset2), p->multiplier2, p->shift2);
  return (int16_t)eb_clamp(result, -32768, 32767);
}

EB_WALK(add, s16, int16_t, int16_t, int16_t)
EB_WALK(sub, s16, int16_t, int16_t, int16_t)
EB_WALK(mul, s16, int16_t, int16_t, int16_t)
EB_WALK(div, s16, int16_t, int16_t, int16_t)
EB_WALK(minimum, s16, int16_t, int16_t, int16_t)
EB_WALK(maximum, s16, int16_t, int16_t, int16_t)
EB_WALK(prelu, s16, int16_t, int8_t, int16_t)
EB_WALK(add_shifted, s16, int16_t, int16_t, int16_t)
EB_WALK(sub_shifted, s16, int16_t, int16_t, int16_t)

#define REQUANTIZE(from, from_type, to, to_type, lowest, highest)                                              \
  void eb_requantize_##from##_##to(const void *input, void *output, int32_t size, int32_t offset,              \
                                   int32_t multiplier, int32_t shift, int32_t out_offset) {                    \
    const from_type *values = input;                                                                           \
    to_type *results = output;                                                                                 \
    for (int32_t i = 0; i < size; i++)                                                                         \
      results[i] =                                                                                             \
          (to_type)eb_clamp(eb_rescale(values[i] + offset, multiplier, shift) + out_offset, lowest, highest);  \
  }

REQUANTIZE(s8, int8_t, s16, int16_t, -32768, 32767)
REQUANTIZE(s8, int8_t, u8, uint8_t, 0, 255)
REQUANTIZE(u8, uint8_t, s8, int8_t, -128, 127)
REQUANTIZE(u8, uint8_t, s16, int16_t, -32768, 32767)
REQUANTIZE(u8, uint8_t, u8, uint8_t, 0, 255)
REQUANTIZE(s16, int16_t, s8, int8_t, -128, 127)
REQUANTIZE(s16, int16_t, s16, int16_t, -32768, 32767)
REQUANTIZE(s16, int16_t, s32, int32_t, INT32_MIN, INT32_MAX)
REQUANTIZE(s32, int32_t, s8, int8_t, -128, 127)
REQUANTIZE(s32, int32_t, s16, int16_t, -32768, 32767)

void eb_slopes_s16(const int16_t *input, int16_t *output, int32_t size, const eb_slopes_params *p) {
  for (int32_t i = 0; i < size; i++) {
    const int32_t value = input[i] >= 0 ? eb_rescale(input[i], p->multiplier, p->shift)
                                        : eb_rescale(p->below_sign * input[i], p->below_multiplier, p->below_shift);
    output[i] = (int16_t)eb_clamp(value, p->low, p->high);
  }
}

void eb_negate_s16(const int16_t *input, int16_t *output, int32_t size) {
  for (int32_t i = 0; i < size; i++) output[i] = (int16_t)-input[i];
}

static inline int16_t on_curve(int16_t value, const int16_t *curve) {
  const int16_t *start = curve + 256 + (value >> 7);
  const int16_t slope = (int16_t)(start[1] - start[0]);
  return (int16_t)(start[0] + ((slope * (value & 127) + 64) >> 7));
}

void eb_curve_s16(const int16_t *input, int16_t *output, int32_t size, const int16_t *curve) {
  for (int32_t i = 0; i < size; i++) output[i] = on_curve(input[i], curve);
}

void eb_logistic_s16(const int16_t *input, int16_t *output, int32_t size, const uint16_t *curve, int32_t multiplier,
                     int32_t shift) {
  const int32_t half = shift > 0 ? 1 << (shift - 1) : 0;
  for (int32_t i = 0; i < size; i++) {
    const int32_t value = (input[i] * multiplier + half) >> shift;
    const uint32_t distance = (uint32_t)(value < 0 ? -value : value), place = distance >> 9;
    uint32_t result = 0x7FFFu << 10;
    if (place < 255) result = ((uint32_t)curve[place] << 9) + (distance & 511) * (uint32_t)(curve[place + 1] - curve[place]);
    result = value >= 0 ? result + (1 << 9) : (1u << 25) - result + (1 << 9) - 1;
    output[i] = (int16_t)(result >> 10);
  }
}

void eb_tanh_s16(const int16_t *input, int16_t *output, int32_t size, const uint16_t *curve, int32_t multiplier,
                 int32_t shift) {
  const int32_t half = shift > 0 ? 1 << (shift - 1) : 0;
  for (int32_t i = 0; i < size; i++) {
    const int32_t value = (input[i] * multiplier + half) >> shift;
    const uint32_t distance = (uint32_t)(value < 0 ? -value : value), place = distance >> 8;
    int32_t result = 0xFFFF << 8;
    if (place < 255) result = (curve[place] << 8) + (int32_t)(distance & 255) * (curve[place + 1] - curve[place]);
    result = value >= 0 ? result - (1 << 23) + (1 << 7) : -result + (1 << 23) + (1 << 7) - 1;
    output[i] = (int16_t)(result >> 8);
  }
}

void eb_softmax_s16(const int16_t *input, int16_t *output, int32_t rows, int32_t width, const int16_t *exponentials,
                    const int16_t *reciprocals, int32_t multiplier, int32_t shift) {
  for (int32_t row = 0; row < rows; row++, input += width, output += width) {
    int32_t largest = input[0], total = 0;
    for (int32_t i = 1; i < width; i++)
      if (input[i] > largest) largest = input[i];
    for (int32_t i = 0; i < width; i++) {
      const int32_t place = eb_rescale(input[i] - largest, multiplier, shift) + 32767;
      output[i] = on_curve((int16_t)eb_clamp(place, -32768, 32767), exponentials);
      total += output[i];
    }
    const int32_t zeros = eb_leading_zeros((uint32_t)total), bits = 31 - zeros;
    const int32_t fraction = (int32_t)((((int64_t)total << (zeros - 1)) + (1 << 13)) >> 14) - (1 << 15) - (1 << 16);
    const int16_t inverse = on_curve((int16_t)eb_clamp(fraction, -32768, 32767), reciprocals);
    for (int32_t i = 0; i < width; i++)
      output[i] = (int16_t)eb_clamp((output[i] * inverse + (1 << (bits - 1))) >> bits, 0, 32767);
  }
}

/* LiteRT stops where the sum of exponentials is too large for the shift; results are 0 there. */
#define SOFTMAX(to, to_type, lowest, highest, places)                                                          \
  void eb_softmax_s8_##to(const int8_t *input, to_type *output, int32_t rows, int32_t width,                   \
                          const int32_t *exponentials) {                                                       \
    for (int32_t row = 0; row < rows; row++, input += width, output += width) {                                \
      int32_t largest = input[0], total = 0;                                                                   \
      for (int32_t i = 1; i < width; i++)                                                                      \
        if (input[i] > largest) largest = input[i];                                                            \
      for (int32_t i = 0; i < width; i++) total += eb_shift_right(exponentials[largest - input[i]], 12);       \
      const int32_t zeros = eb_leading_zeros((uint32_t)total), bits = 12 - zeros + 31 - places;                \
      const int32_t inverse = eb_reciprocal_of_one_plus((int32_t)(((uint32_t)total << zeros) - 0x80000000u));  \
      for (int32_t i = 0; i < width; i++) {                                                                    \
        const int32_t part = eb_product(inverse, exponentials[largest - input[i]]);                            \
        output[i] = (to_type)eb_clamp((bits > 31 ? 0 : eb_shift_right(part, bits)) + lowest, lowest, highest); \
      }                                                                                                        \
    }                                                                                                          \
  }

SOFTMAX(s8, int8_t, -128, 127, 8)
SOFTMAX(s16, int16_t, -32768, 32767, 16)
