/* Convolutions, matrix products and pools of 16-bit values. */
#include "edgebench_exact.h"
#include "edgebench_fixed.h"
#include "edgebench_kernels.h"
#include "edgebench_wide_dots.h"

static inline int16_t scaled(int64_t sum, int32_t channel, const eb_wide_params *p) {
  const int32_t value = p->narrow ? eb_rescale((int32_t)sum, p->multipliers[channel], p->shifts[channel])
                                  : eb_rescale_wide(sum, p->multipliers[channel], p->shifts[channel]);
  return (int16_t)eb_clamp(value, p->low, p->high);
}

/* The values of a group of channels under the window, arranged, with zeros outside of the image. */
static void take_window(const int16_t *image, int32_t y, int32_t x, int32_t first, int32_t count, int16_t *to,
                        const eb_wide_params *p) {
  int16_t *at = to;
  for (int32_t i = 0; i < p->height; i++)
    for (int32_t j = 0; j < p->width; j++, at += count) {
      const int32_t row = y + i * p->dilation_y, column = x + j * p->dilation_x;
      if (row < 0 || row >= p->in_height || column < 0 || column >= p->in_width)
        memset(at, 0, (size_t)count * sizeof *at);
      else
        memcpy(at, image + (row * p->in_width + column) * p->in_channels + first, (size_t)count * sizeof *at);
    }
  eb_arrange(to, to, (int32_t)(at - to));
}

void eb_convolve_s16(const int16_t *input, const int8_t *kernel, const int64_t *bias, int16_t *output,
                     int16_t *scratch, const eb_wide_params *p) {
  const int32_t channels = p->in_channels / p->groups, filters = p->out_channels / p->groups;
  const int32_t size = p->height * p->width * channels;
  for (int32_t batch = 0; batch < p->batches; batch++, input += p->in_height * p->in_width * p->in_channels)
    for (int32_t y = 0; y < p->out_height; y++)
      for (int32_t x = 0; x < p->out_width; x++)
        for (int32_t group = 0; group < p->groups; group++) {
          take_window(input, y * p->stride_y - p->top, x * p->stride_x - p->left, group * channels, channels, scratch, p);
          for (int32_t i = 0; i < filters; i += 2) {
            const int pair = i + 1 < filters;
            const int32_t filter = group * filters + i;
            const int8_t *first = kernel + filter * size, *second = pair ? first + size : first;
            int64_t a = bias ? bias[filter] : 0, b = bias && pair ? bias[filter + 1] : 0;
            eb_wide_dots(scratch, first, second, size, &a, &b);
            *output++ = scaled(a, filter, p);
            if (pair) *output++ = scaled(b, filter + 1, p);
          }
        }
}

static void add_taps(const int16_t *image, int32_t y, int32_t x, const int8_t *kernel, int32_t *sums,
                     const eb_wide_params *p) {
  const int32_t multiplier = p->out_channels / p->in_channels;
  for (int32_t i = 0; i < p->height; i++)
    for (int32_t j = 0; j < p->width; j++, kernel += p->out_channels) {
      const int32_t row = y + i * p->dilation_y, column = x + j * p->dilation_x;
      if (row < 0 || row >= p->in_height || column < 0 || column >= p->in_width) continue;
      const int16_t *values = image + (row * p->in_width + column) * p->in_channels;
      if (multiplier == 1)
        for (int32_t k = 0; k < p->out_channels; k++) sums[k] += values[k] * kernel[k];
      else
        for (int32_t k = 0, n = 0; k < p->in_channels; k++)
          for (int32_t m = 0; m < multiplier; m++, n++) sums[n] += values[k] * kernel[n];
    }
}

void eb_depthwise_s16(const int16_t *input, const int8_t *kernel, const int64_t *bias, int16_t *output,
                      int32_t *scratch, const eb_wide_params *p) {
  for (int32_t batch = 0; batch < p->batches; batch++, input += p->in_height * p->in_width * p->in_channels)
    for (int32_t y = 0; y < p->out_height; y++)
      for (int32_t x = 0; x < p->out_width; x++) {
        memset(scratch, 0, (size_t)p->out_channels * sizeof *scratch);
        add_taps(input, y * p->stride_y - p->top, x * p->stride_x - p->left, kernel, scratch, p);
        for (int32_t i = 0; i < p->out_channels; i++) *output++ = scaled(scratch[i] + (bias ? bias[i] : 0), i, p);
      }
}

void eb_dense_s16(const int16_t *input, const int8_t *kernel, const int64_t *bias, int16_t *output, int16_t *scratch,
                  const eb_wide_dense_params *p) {
  for (int32_t row = 0; row < p->rows; row++, input += p->features, output += p->units) {
    int64_t sum = 0;
    if (p->weight_offset)
      for (int32_t i = 0; i < p->features; i++) sum += input[i];
    eb_arrange(input, scratch, p->features);
    for (int32_t unit = 0; unit < p->units; unit += 2) {
      const int pair = unit + 1 < p->units;
      const int8_t *first = kernel + unit * p->features, *second = pair ? first + p->features : first;
      int64_t sums[2] = {sum * p->weight_offset, sum * p->weight_offset};
      if (bias) sums[0] += bias[unit], sums[1] += pair ? bias[unit + 1] : 0;
      eb_wide_dots(scratch, first, second, p->features, &sums[0], &sums[1]);
      for (int32_t k = 0; k <= pair; k++) {
        const eb_exact_scale *scale = p->scales + (unit + k) * p->scale_step;
        const int32_t value = eb_rescale_exactly(p->narrow ? (int32_t)sums[k] : sums[k], scale);
        output[unit + k] = (int16_t)eb_clamp(value, p->low, p->high);
      }
    }
  }
}

#define POOL(name, start, each, end)                                                                           \
  void eb_##name##_pool_s16(const int16_t *input, int16_t *output, const eb_wide_params *p) {                  \
    for (int32_t batch = 0; batch < p->batches; batch++, input += p->in_height * p->in_width * p->in_channels) \
      for (int32_t y = -p->top, i = 0; i < p->out_height; i++, y += p->stride_y)                               \
        for (int32_t x = -p->left, j = 0; j < p->out_width; j++, x += p->stride_x) {                           \
          const int32_t bottom = y + p->height < p->in_height ? y + p->height : p->in_height;                  \
          const int32_t right = x + p->width < p->in_width ? x + p->width : p->in_width;                       \
          for (int32_t k = 0; k < p->in_channels; k++) {                                                       \
            int32_t result = start, count = 0;                                                                 \
            for (int32_t row = y < 0 ? 0 : y; row < bottom; row++)                                             \
              for (int32_t column = x < 0 ? 0 : x; column < right; column++, count++) {                        \
                const int32_t value = input[(row * p->in_width + column) * p->in_channels + k];                \
                each;                                                                                          \
              }                                                                                                \
            *output++ = (int16_t)eb_clamp(end, p->low, p->high);                                               \
          }                                                                                                    \
        }                                                                                                      \
  }

POOL(average, 0, result += value, (result > 0 ? result + count / 2 : result - count / 2) / count)
POOL(max, -32768, if (value > result) result = value, result)

#define MATMUL(vector, vector_type, line, line_type)                                                           \
  void eb_matmul_##vector##_##line(const vector_type *vectors, const line_type *lines, int16_t *output,        \
                                   int16_t *scratch, const eb_matmul_params *p) {                              \
    for (int32_t v = 0; v < p->vectors; v++, vectors += p->vector_step, output += p->out_vector_step) {        \
      for (int32_t i = 0; i < p->depth; i++) scratch[i] = vectors[i * p->vector_stride];                       \
      const line_type *row = lines;                                                                            \
      for (int32_t l = 0; l < p->lines; l++, row += p->line_step) {                                            \
        int64_t sum = 0;                                                                                       \
        for (int32_t i = 0; i < p->depth; i++) sum += (int32_t)row[i * p->line_stride] * scratch[i];           \
        output[l * p->out_line_step] =                                                                         \
            (int16_t)eb_clamp(eb_rescale_wide(sum, p->multiplier, p->shift), p->low, p->high);                 \
      }                                                                                                        \
    }                                                                                                          \
  }

MATMUL(s16, int16_t, s16, int16_t)
MATMUL(s8, int8_t, s16, int16_t)
MATMUL(s16, int16_t, s8, int8_t)
