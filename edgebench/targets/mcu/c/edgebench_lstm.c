/* A long short-term memory of 8-bit values with a cell of 16 bits. */
#include "edgebench_dots.h"
#include "edgebench_fixed.h"
#include "edgebench_kernels.h"

static inline int16_t clamp16(int32_t value) { return (int16_t)eb_clamp(value, -32768, 32767); }

/* Product of two fractions of 15 bits, of which none is -1. */
static inline int16_t product(int16_t a, int16_t b) { return (int16_t)((a * b + (1 << 14)) >> 15); }

static inline int16_t shift_left(int16_t value, int32_t bits) {
  const int32_t limit = (1 << (15 - bits)) - 1;
  return value > limit ? 32767 : value < -limit ? -32768 : (int16_t)(value * (1 << bits));
}

/* exp(value) for values up to 0, with this many integer bits. */
static int16_t exponential(int16_t value, int32_t bits) {
  /* exp(-1/4), exp(-1/2), exp(-1), ..., exp(-8); exp(-16) is 0 */
  static const int16_t factors[7] = {25520, 19875, 12055, 4435, 600, 11, 0};
  if (value == 0) return 32767;
  if (bits > 5 && value < -(1 << (20 - bits))) return 0;
  const int32_t quarter = 1 << (13 - bits);
  const int16_t rest = (int16_t)((value & (quarter - 1)) - quarter);
  /* A Taylor series around -1/8 of what is left of whole quarters. */
  const int16_t x = (int16_t)(shift_left(rest, bits) + (1 << 12)), square = product(x, x);
  const int16_t cube = product(square, x), fourth = product(square, square);
  const int16_t third = product((int16_t)(eb_shift_right(fourth, 2) + cube), 10923);
  const int16_t series = (int16_t)eb_shift_right((int16_t)(third + square), 1);
  int16_t result = clamp16(28918 + product(28918, (int16_t)(x + series)));
  for (int32_t quarters = (rest - value) >> (13 - bits), i = 0; quarters && i < 7; quarters >>= 1, i++)
    if (quarters & 1) result = product(result, factors[i]);
  return result;
}

/* 2 / (1 + x) for a fraction x from 0 to 1, in steps of 2^-13. */
static int16_t double_reciprocal(int16_t x) {
  const int16_t half = (int16_t)((x + 32768) >> 1);
  int16_t guess = (int16_t)(23130 + product(half, -15420)); /* 48 / 17 and -32 / 17 */
  for (int i = 0; i < 3; i++) {
    const int16_t error = (int16_t)((1 << 13) - product(half, guess));
    guess = (int16_t)(guess + shift_left(product(guess, error), 2));
  }
  return guess;
}

/* 1 / (1 + exp(-value)) of a value in steps of 2^-12. */
static int16_t logistic(int16_t value) {
  if (value == 0) return 16384;
  const int16_t size = value > 0 ? value : (int16_t)-value;
  const int16_t result = shift_left(double_reciprocal(exponential((int16_t)-size, 3)), 1);
  return value > 0 ? result : (int16_t)(32767 - result);
}

/* The hyperbolic tangent of a value with this many integer bits. */
static int16_t tangent(int16_t value, int32_t bits) {
  if (value == 0) return 0;
  const int16_t below = value < 0 ? value : (int16_t)-value;
  const int16_t result = shift_left((int16_t)(double_reciprocal(exponential(below, bits + 1)) - (1 << 13)), 2);
  return value < 0 ? (int16_t)-result : result;
}

static void multiply(const int8_t *values, const int16_t *wide, const int8_t *weights, const int32_t *bias,
                     int32_t size, int32_t rows, int32_t multiplier, int32_t shift, int16_t *sums) {
  for (int32_t row = 0; row < rows; row += 2) {
    const int pair = row + 1 < rows;
    const int8_t *first = weights + row * size, *second = pair ? first + size : first;
    int32_t a = bias[row], b = pair ? bias[row + 1] : 0;
    eb_two_dots(values, wide, first, second, size, 0, &a, &b);
    sums[row] = clamp16(sums[row] + eb_rescale(a, multiplier, shift));
    if (pair) sums[row + 1] = clamp16(sums[row + 1] + eb_rescale(b, multiplier, shift));
  }
}

static void normalise(int16_t *values, int32_t size, const eb_lstm_gate *gate) {
  int64_t sum = 0, squares = 0;
  for (int32_t i = 0; i < size; i++) sum += values[i], squares += values[i] * values[i];
  const int32_t mean = (int32_t)(sum * 1024 / size);
  int32_t variance = (int32_t)((squares * ((1 << 20) / size) - (int64_t)mean * mean) / (1 << 20)), shift;
  if (variance < 1) variance = gate->norm_guard;
  const int32_t multiplier = eb_inverse_root(variance, &shift);
  for (int32_t i = 0; i < size; i++) {
    const int32_t scaled = eb_rescale(1024 * values[i] - mean, multiplier, shift);
    const int32_t weighted = (int32_t)((uint32_t)scaled * (uint32_t)gate->norm[i] + (uint32_t)gate->norm_bias[i]);
    const int32_t rounded = (int32_t)(((int64_t)weighted + (weighted > 0 ? 512 : -512)) / 1024);
    values[i] = clamp16(eb_rescale(rounded, gate->norm_multiplier, gate->norm_shift + 12));
  }
}

typedef struct {
  const int8_t *input, *state;
  const int16_t *wide_input, *wide_state, *cell;
} step_values;

static void compute_gate(const eb_lstm_gate *gate, const step_values *s, const eb_lstm_params *p, int is_cell,
                         int16_t *sums) {
  memset(sums, 0, (size_t)p->cells * sizeof *sums);
  multiply(s->input, s->wide_input, gate->input_weights, gate->input_bias, p->inputs, p->cells,
           gate->input_multiplier, gate->input_shift, sums);
  multiply(s->state, s->wide_state, gate->state_weights, gate->state_bias, p->outputs, p->cells,
           gate->state_multiplier, gate->state_shift, sums);
  if (gate->peephole)
    for (int32_t i = 0; i < p->cells; i++)
      sums[i] = clamp16(sums[i] + eb_rescale(gate->peephole[i] * s->cell[i], gate->peephole_multiplier,
                                             gate->peephole_shift));
  if (gate->norm) normalise(sums, p->cells, gate);
  for (int32_t i = 0; i < p->cells; i++) sums[i] = is_cell ? tangent(sums[i], 3) : logistic(sums[i]);
}

static void update_cell(const eb_lstm_params *p, const int16_t *input, const int16_t *forget, const int16_t *fresh,
                        int16_t *cell) {
  for (int32_t i = 0; i < p->cells; i++) {
    const int16_t gate = p->input.input_weights ? input[i] : (int16_t)(32767 - forget[i]);
    const int16_t kept = (int16_t)eb_shift_right(forget[i] * cell[i], 15);
    const int16_t added = (int16_t)eb_shift_right(gate * fresh[i], 30 - p->cell_bits);
    cell[i] = clamp16(kept + added);
    if (p->cell_clip > 0) cell[i] = (int16_t)eb_clamp(cell[i], -p->cell_clip, p->cell_clip);
  }
}

static void update_state(const eb_lstm_params *p, const int16_t *gate, const int16_t *cell, int8_t *hidden,
                         int16_t *wide, int8_t *state) {
  int8_t *target = p->projection ? hidden : state;
  for (int32_t i = 0; i < p->cells; i++) {
    const int32_t value = gate[i] * tangent(cell[i], 15 - p->cell_bits);
    target[i] = (int8_t)eb_clamp(eb_rescale(value, p->hidden_multiplier, p->hidden_shift) + p->hidden_zero, -128, 127);
  }
  if (!p->projection) return;
  eb_prepare_column(hidden, wide, p->cells, 0);
  for (int32_t i = 0; i < p->outputs; i++) {
    const int8_t *row = p->projection + i * p->cells;
    int32_t sum = p->projection_bias[i], other = 0;
    eb_two_dots(hidden, wide, row, row, p->cells, 0, &sum, &other);
    const int32_t value = eb_rescale(sum, p->projection_multiplier, p->projection_shift) + p->projection_zero;
    state[i] = (int8_t)eb_clamp(value, -128, 127);
    if (p->projection_clip > 0) state[i] = (int8_t)eb_clamp(state[i], -p->projection_clip, p->projection_clip);
  }
}

void eb_lstm_s8(const int8_t *input, int8_t *output, int8_t *state, int16_t *cell, int16_t *scratch,
                const eb_lstm_params *p) {
  int16_t *wide_input = scratch, *wide_state = wide_input + ((p->inputs + 1) & ~1);
  int16_t *gates = wide_state + ((p->outputs + 1) & ~1), *hidden = gates + 4 * p->cells;
  for (int32_t batch = 0; batch < p->batches; batch++, state += p->outputs, cell += p->cells)
    for (int32_t time = 0; time < p->times; time++) {
      const int32_t place = batch * p->batch_step + time * p->time_step;
      const step_values now = {input + place * p->inputs, state, wide_input, wide_state, cell};
      eb_prepare_column(now.input, wide_input, p->inputs, 0);
      eb_prepare_column(state, wide_state, p->outputs, 0);
      int16_t *in = gates, *forget = in + p->cells, *fresh = forget + p->cells, *out = fresh + p->cells;
      if (p->input.input_weights) compute_gate(&p->input, &now, p, 0, in);
      compute_gate(&p->forget, &now, p, 0, forget);
      compute_gate(&p->cell, &now, p, 1, fresh);
      update_cell(p, in, forget, fresh, cell);
      compute_gate(&p->output, &now, p, 0, out);
      update_state(p, out, cell, (int8_t *)hidden, in, state);
      memcpy(output + place * p->outputs, state, (size_t)p->outputs);
    }
}
