/* Quotients, squared differences, slopes below 0, and what normalises rows. */
#include "edgebench_kernels.h"

#include "edgebench_fixed.h"
#include "edgebench_quotient.h"
#include "edgebench_walk.h"

static inline int8_t div_one_s8(int8_t first, int8_t second, const eb_binary_params *p) {
  return (int8_t)eb_quotient(first + p->offset1, second + p->offset2, p);
}

static inline int8_t squared_difference_one_s8(int8_t first, int8_t second, const eb_binary_params *p) {
  const int32_t a = eb_rescale((first + p->offset1) * (1 << 7), p->multiplier1, p->shift1);
  const int32_t b = eb_rescale((second + p->offset2) * (1 << 7), p->multiplier2, p->shift2);
  return (int8_t)eb_clamp(eb_rescale((a - b) * (a - b), p->multiplier, p->shift) + p->offset, p->low, p->high);
}

static inline int8_t prelu_one_s8(int8_t value, int8_t slope, const eb_binary_params *p) {
  const int32_t input = value + p->offset1;
  const int32_t result = input >= 0 ? eb_rescale(input, p->multiplier1, p->shift1)
                                    : eb_rescale(input * (slope + p->offset2), p->multiplier2, p->shift2);
  return (int8_t)eb_clamp(result + p->offset, p->low, p->high);
}

EB_WALK(div, s8, int8_t, int8_t, int8_t)
EB_WALK(squared_difference, s8, int8_t, int8_t, int8_t)
EB_WALK(prelu, s8, int8_t, int8_t, int8_t)

/* Logarithm of a sum in steps of 2^-19, in steps of 2^-26. */
static int32_t logarithm(int32_t sum) {
  const int32_t root_half = 1518500250, quarter_root_half = 1805811301; /* in steps of 2^-31 */
  /* The sum as a fraction times a power of two, in two ways; the smaller fraction is taken. */
  const int32_t zeros = eb_leading_zeros((uint32_t)sum);
  const int32_t first = eb_shift_left(eb_product(eb_shift_left(sum, zeros - 1), root_half), 1);
  const int32_t first_power = (12 - zeros) * (1 << 25) + (1 << 23);
  const int32_t room = eb_leading_zeros((uint32_t)eb_product(sum, root_half)) - 1;
  const int32_t second = eb_shift_left(sum, room);
  const int32_t second_power = (12 - room) * (1 << 25) - (1 << 23);
  const int32_t fraction = first < second ? first : second;
  const int32_t power = first_power > second_power ? first_power : second_power;
  /* A rational function of the fraction. */
  const int32_t p = (int32_t)(((int64_t)fraction + quarter_root_half + 1) >> 1);
  const int32_t q = 2 * (fraction - quarter_root_half);
  const int32_t square = eb_product(q, q);
  const int32_t above = eb_product(q, fraction) + eb_product(eb_product(q, square), 117049297);
  const int32_t below = eb_product(p, 1057819769 + q + eb_product(127690142, square)) + eb_product(638450708, q);
  const int32_t part = eb_product(eb_shift_right(above, 6), eb_reciprocal_of_one_plus(below));
  return eb_shift_left(eb_product(power, 1488522236) + part, 1);
}

void eb_log_softmax_s8(const int8_t *input, int8_t *output, int32_t rows, int32_t width,
                       const eb_log_softmax_params *p) {
  for (int32_t row = 0; row < rows; row++, input += width, output += width) {
    int32_t largest = -128, sum = 0;
    for (int32_t i = 0; i < width; i++)
      if (input[i] > largest) largest = input[i];
    for (int32_t i = 0; i < width; i++)
      if (largest - input[i] < p->count) sum += p->exponentials[largest - input[i]];
    const int32_t log_sum = logarithm(sum);
    const int32_t reach = eb_rescale((int32_t)((uint32_t)log_sum + 0x80000000u), p->back, p->back_shift);
    const int32_t lowest = reach > -p->count ? reach : -p->count;
    for (int32_t i = 0; i < width; i++) {
      const int32_t distance = input[i] - largest;
      const int32_t value = eb_shift_right(eb_rescale(distance, p->multiplier, p->shift) - log_sum, 22) + 127;
      output[i] = (int8_t)(distance > lowest ? eb_clamp(value, -128, 127) : -128);
    }
  }
}

int32_t eb_inverse_root(int32_t value, int32_t *shift) {
  *shift = 0;
  if (value <= 1) return INT32_MAX;
  int32_t bits = 11;
  for (; value >= 1 << 29; bits++) value /= 4;
  const int32_t pairs = (eb_leading_zeros((uint32_t)value) - 1) / 2 - 1;
  bits -= pairs;
  value <<= 2 * pairs;
  const int32_t half = eb_shift_right(value >> 1, 1), three_halves = (1 << 28) + (1 << 27);
  int32_t guess = 1 << 28;
  for (int i = 0; i < 5; i++) {
    const int32_t cube = eb_shift_left(eb_product(eb_product(guess, guess), guess), 6);
    guess = eb_shift_left(eb_product(three_halves, guess) - eb_product(half, cube), 3);
  }
  guess = eb_product(guess, 1518500250);
  if (bits < 0) guess <<= -bits, bits = 0;
  *shift = -bits;
  return guess;
}

void eb_l2_normalization_s8(const int8_t *input, int8_t *output, int32_t rows, int32_t width, int32_t offset) {
  for (int32_t row = 0; row < rows; row++, input += width, output += width) {
    int32_t sum = 0, shift;
    for (int32_t i = 0; i < width; i++) sum += (input[i] + offset) * (input[i] + offset);
    const int32_t multiplier = eb_inverse_root(sum, &shift);
    for (int32_t i = 0; i < width; i++)
      output[i] = (int8_t)eb_clamp(eb_rescale(input[i] + offset, multiplier, shift + 7), -128, 127);
  }
}
