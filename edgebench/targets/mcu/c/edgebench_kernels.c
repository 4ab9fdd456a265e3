#include "edgebench_kernels.h"

#include "arm_nnsupportfunctions.h"

static inline int32_t clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

void eb_add_s8(const int8_t *first, const int8_t *second, int8_t *output, int32_t size, const eb_binary_params *p) {
  for (int32_t i = 0; i < size; i++) {
    const int32_t a = arm_nn_requantize((first[i] + p->offset1) * (1 << 20), p->multiplier1, p->shift1);
    const int32_t b = arm_nn_requantize((second[i] + p->offset2) * (1 << 20), p->multiplier2, p->shift2);
    output[i] = (int8_t)clamp(arm_nn_requantize(a + b, p->multiplier, p->shift) + p->offset, p->low, p->high);
  }
}

void eb_mul_s8(const int8_t *first, const int8_t *second, int8_t *output, int32_t size, const eb_binary_params *p) {
  for (int32_t i = 0; i < size; i++) {
    const int32_t product = (first[i] + p->offset1) * (second[i] + p->offset2);
    output[i] = (int8_t)clamp(arm_nn_requantize(product, p->multiplier, p->shift) + p->offset, p->low, p->high);
  }
}

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

void eb_mean_s8(const int8_t *input, int8_t *output, int32_t count, int32_t channels, int32_t in_offset,
                int32_t out_offset, int32_t multiplier, int32_t shift) {
  for (int32_t channel = 0; channel < channels; channel++) {
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++) sum += input[i * channels + channel] + in_offset;
    output[channel] = (int8_t)clamp(arm_nn_requantize(sum, multiplier, shift) + out_offset, -128, 127);
  }
}

void eb_copy_rows(const int8_t *input, int8_t *output, int32_t rows, int32_t size, int32_t stride) {
  for (int32_t row = 0; row < rows; row++) memcpy(output + row * stride, input + row * size, (size_t)size);
}
