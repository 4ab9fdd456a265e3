#include "edgebench_columns.h"

#include "edgebench_dots.h"
#include "edgebench_fixed.h"
#include "edgebench_wide_dots.h"

/* The taps of one output, with bytes that represent 0 outside the image; `width` is that of a value. */
static inline void fill_column(const int8_t *image, int8_t *column, int32_t y, int32_t x, int32_t group,
                               const int32_t width, const eb_columns_params *p) {
  const int32_t size = p->group_channels * width;
  image += group * size;
  for (int32_t i = 0; i < p->tap_rows; i++, y += p->tap_down) {
    const int inside = y >= 0 && y < p->in_height;
    int32_t at = x;
    for (int32_t j = 0; j < p->tap_columns; j++, at += p->tap_right, column += size)
      if (inside && at >= 0 && at < p->in_width)
        memcpy(column, image + (y * p->in_width + at) * p->in_channels * width, (size_t)size);
      else
        memset(column, -p->input_offset, (size_t)size);
  }
}

static void multiply(const int8_t *column, const int16_t *wide, const int8_t *kernel, const int32_t *bias,
                     int8_t *output, int32_t first_filter, int32_t size, const eb_columns_params *p) {
  for (int32_t filter = 0; filter < p->group_filters; filter += 2) {
    const int pair = filter + 1 < p->group_filters;
    const int32_t at = first_filter + filter;
    const int8_t *first = kernel + at * size, *second = pair ? first + size : first;
    int32_t a = bias ? bias[at] : 0, b = bias && pair ? bias[at + 1] : 0;
    eb_two_dots(column, wide, first, second, size, p->input_offset, &a, &b);
    for (int k = 0; k <= pair; k++) {
      const int32_t scaled = arm_nn_requantize(k ? b : a, p->multipliers[at + k], p->shifts[at + k]);
      const int32_t value = scaled + p->output_offset;
      output[at + k] = (int8_t)(value < p->low ? p->low : value > p->high ? p->high : value);
    }
  }
}

static void multiply_wide(const int16_t *column, const int8_t *kernel, const int64_t *bias, int16_t *output,
                          int32_t first_filter, int32_t size, const eb_columns_params *p) {
  for (int32_t filter = 0; filter < p->group_filters; filter += 2) {
    const int pair = filter + 1 < p->group_filters;
    const int32_t at = first_filter + filter;
    const int8_t *first = kernel + at * size, *second = pair ? first + size : first;
    int64_t a = bias ? bias[at] : 0, b = bias && pair ? bias[at + 1] : 0;
    eb_wide_dots(column, first, second, size, &a, &b);
    for (int k = 0; k <= pair; k++) {
      const int64_t sum = k ? b : a;
      const int32_t value = p->narrow ? eb_rescale((int32_t)sum, p->multipliers[at + k], p->shifts[at + k])
                                      : eb_rescale_wide(sum, p->multipliers[at + k], p->shifts[at + k]);
      output[at + k] = (int16_t)eb_clamp(value, p->low, p->high);
    }
  }
}

/* Over all outputs and groups: `fill` and `product` do one column. */
#define OVER_OUTPUTS(fill, product)                                                                                  \
  const int32_t size = p->tap_rows * p->tap_columns * p->group_channels;                                             \
  const int32_t groups = p->out_channels / p->group_filters;                                                         \
  for (int32_t batch = 0; batch < p->batches; batch++) {                                                             \
    for (int32_t y = 0; y < p->rows; y++)                                                                            \
      for (int32_t x = 0; x < p->columns; x++) {                                                                     \
        const int32_t row = p->first_row + y * p->row_step, place = p->first_column + x * p->column_step;            \
        const int32_t to = (row * p->out_width + place) * p->out_channels;                                           \
        for (int32_t group = 0; group < groups; group++) {                                                           \
          const int32_t above = p->top + y * p->down, beside = p->left + x * p->right;                               \
          fill;                                                                                                      \
          product;                                                                                                   \
        }                                                                                                            \
      }                                                                                                              \
    input += p->in_height * p->in_width * p->in_channels;                                                            \
    output += p->out_height * p->out_width * p->out_channels;                                                        \
  }

void eb_columns_s8(const int8_t *input, const int8_t *kernel, const int32_t *bias, int8_t *output, int8_t *column,
                   int16_t *wide, const eb_columns_params *p) {
  OVER_OUTPUTS(
      {
        fill_column(input, column, above, beside, group, 1, p);
        eb_prepare_column(column, wide, size, p->input_offset);
      },
      multiply(column, wide, kernel, bias, output + to, group * p->group_filters, size, p))
}

void eb_columns_s16(const int16_t *input, const int8_t *kernel, const int64_t *bias, int16_t *output, int16_t *column,
                    const eb_columns_params *p) {
  OVER_OUTPUTS(
      {
        fill_column((const int8_t *)input, (int8_t *)column, above, beside, group, sizeof *input, p);
        eb_arrange(column, column, size);
      },
      multiply_wide(column, kernel, bias, output + to, group * p->group_filters, size, p))
}
