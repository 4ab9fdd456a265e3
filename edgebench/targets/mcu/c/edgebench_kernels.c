#include "edgebench_kernels.h"

#include "arm_nnsupportfunctions.h"

static inline int32_t clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

static inline int8_t added(int8_t first, int8_t second, const eb_binary_params *p, const int32_t sign) {
  const int32_t a = arm_nn_requantize((first + p->offset1) * (1 << 20), p->multiplier1, p->shift1);
  const int32_t b = arm_nn_requantize((second + p->offset2) * (1 << 20), p->multiplier2, p->shift2);
  const int32_t sum = sign > 0 ? a + b : a - b;
  return (int8_t)clamp(arm_nn_requantize(sum, p->multiplier, p->shift) + p->offset, p->low, p->high);
}

static inline int8_t add_one(int8_t first, int8_t second, const eb_binary_params *p) {
  return added(first, second, p, 1);
}

static inline int8_t sub_one(int8_t first, int8_t second, const eb_binary_params *p) {
  return added(first, second, p, -1);
}

static inline int8_t mul_one(int8_t first, int8_t second, const eb_binary_params *p) {
  const int32_t product = (first + p->offset1) * (second + p->offset2);
  return (int8_t)clamp(arm_nn_requantize(product, p->multiplier, p->shift) + p->offset, p->low, p->high);
}

static inline int8_t minimum_one(int8_t first, int8_t second, const eb_binary_params *p) {
  (void)p;
  return first < second ? first : second;
}

static inline int8_t maximum_one(int8_t first, int8_t second, const eb_binary_params *p) {
  (void)p;
  return first > second ? first : second;
}

#define BINARY(name)                                                                                          \
  void eb_##name##_s8(const int8_t *first, const int8_t *second, int8_t *output, int32_t size,                \
                      const eb_binary_params *p) {                                                            \
    for (int32_t i = 0; i < size; i++) output[i] = name##_one(first[i], second[i], p);                        \
  }                                                                                                           \
  void eb_##name##_repeated_s8(const int8_t *first, const int32_t *step1, const int8_t *second,               \
                               const int32_t *step2, int8_t *output, const int32_t *sizes,                    \
                               const eb_binary_params *p) {                                                   \
    for (int32_t i = 0; i < sizes[0]; i++)                                                                    \
      for (int32_t j = 0; j < sizes[1]; j++)                                                                  \
        for (int32_t k = 0; k < sizes[2]; k++) {                                                              \
          const int8_t *a = first + i * step1[0] + j * step1[1] + k * step1[2];                               \
          const int8_t *b = second + i * step2[0] + j * step2[1] + k * step2[2];                              \
          for (int32_t l = 0; l < sizes[3]; l++, a += step1[3], b += step2[3]) *output++ = name##_one(*a, *b, p); \
        }                                                                                                     \
  }

BINARY(add)
BINARY(sub)
BINARY(mul)
BINARY(minimum)
BINARY(maximum)

void eb_table_s8(const int8_t *input, int8_t *output, int32_t size, const int8_t *table) {
  for (int32_t i = 0; i < size; i++) output[i] = table[input[i] + 128];
}

void eb_softmax_s8(const int8_t *input, int8_t *output, int32_t rows, int32_t width, const float *table, float scale,
                   int32_t zero_point) {
  for (int32_t row = 0; row < rows; row++, input += width, output += width) {
    int32_t largest = -128;
    float sum = 0.0f;
    for (int32_t i = 0; i < width; i++)
      if (input[i] > largest) largest = input[i];
    for (int32_t i = 0; i < width; i++) sum += table[largest - input[i]];
    const float inverse = 1.0f / (sum * scale);
    for (int32_t i = 0; i < width; i++) {
      const int32_t value = (int32_t)(table[largest - input[i]] * inverse + 0.5f) + zero_point;
      output[i] = (int8_t)clamp(value, -128, 127);
    }
  }
}

void eb_pad_s8(const int8_t *input, int8_t *output, int32_t height, int32_t width, int32_t channels, int32_t top,
               int32_t bottom, int32_t left, int32_t right, int8_t zero) {
  const int32_t row = (width + left + right) * channels;
  memset(output, zero, (size_t)((height + top + bottom) * row));
  eb_copy_rows(input, output + top * row + left * channels, height, width * channels, row);
}

void eb_mean_s8(const int8_t *input, int8_t *output, int32_t outer, int32_t count, int32_t inner, int32_t in_offset,
                int32_t out_offset, int32_t multiplier, int32_t shift) {
  for (; outer > 0; outer--, input += count * inner, output += inner)
    for (int32_t channel = 0; channel < inner; channel++) {
      int32_t sum = 0;
      for (int32_t i = 0; i < count; i++) sum += input[i * inner + channel] + in_offset;
      output[channel] = (int8_t)clamp(arm_nn_requantize(sum, multiplier, shift) + out_offset, -128, 127);
    }
}

void eb_gather_s8(const int8_t *input, int8_t *output, const int32_t *sizes, const int32_t *steps) {
  for (int32_t i = 0; i < sizes[0]; i++)
    for (int32_t j = 0; j < sizes[1]; j++)
      for (int32_t k = 0; k < sizes[2]; k++) {
        const int8_t *from = input + i * steps[0] + j * steps[1] + k * steps[2];
        if (steps[3] == 1) {
          memcpy(output, from, (size_t)sizes[3]);
          output += sizes[3];
        } else {
          for (int32_t l = 0; l < sizes[3]; l++, from += steps[3]) *output++ = *from;
        }
      }
}

void eb_copy_rows(const int8_t *input, int8_t *output, int32_t rows, int32_t size, int32_t stride) {
  for (int32_t row = 0; row < rows; row++) memcpy(output + row * stride, input + row * size, (size_t)size);
}
