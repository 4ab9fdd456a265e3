#include "edgebench_columns.h"

#include "edgebench_dots.h"

/* The taps of one output, with the integer that stands for 0 outside of the image. */
static void fill_column(const int8_t *image, int8_t *column, int32_t y, int32_t x, int32_t group,
                        const eb_columns_params *p) {
  const int32_t size = p->group_channels;
  image += group * size;
  for (int32_t i = 0; i < p->tap_rows; i++, y += p->tap_down) {
    const int inside = y >= 0 && y < p->in_height;
    int32_t at = x;
    for (int32_t j = 0; j < p->tap_columns; j++, at += p->tap_right, column += size)
      if (inside && at >= 0 && at < p->in_width)
        memcpy(column, image + (y * p->in_width + at) * p->in_channels, (size_t)size);
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

void eb_columns_s8(const int8_t *input, const int8_t *kernel, const int32_t *bias, int8_t *output, int8_t *column,
                   int16_t *wide, const eb_columns_params *p) {
  const int32_t size = p->tap_rows * p->tap_columns * p->group_channels;
  const int32_t groups = p->out_channels / p->group_filters;
  for (int32_t batch = 0; batch < p->batches; batch++) {
    for (int32_t y = 0; y < p->rows; y++)
      for (int32_t x = 0; x < p->columns; x++) {
        const int32_t row = p->first_row + y * p->row_step, place = p->first_column + x * p->column_step;
        int8_t *to = output + (row * p->out_width + place) * p->out_channels;
        for (int32_t group = 0; group < groups; group++) {
          fill_column(input, column, p->top + y * p->down, p->left + x * p->right, group, p);
          eb_prepare_column(column, wide, size, p->input_offset);
          multiply(column, wide, kernel, bias, to, group * p->group_filters, size, p);
        }
      }
    input += p->in_height * p->in_width * p->in_channels;
    output += p->out_height * p->out_width * p->out_channels;
  }
}
