/* Recurrent layers. */
#ifndef EDGEBENCH_RECURRENT_H
#define EDGEBENCH_RECURRENT_H
#include <stdint.h>

/* A gate; missing parts are NULL. Biases include what the zero points of inputs and states add. */
typedef struct {
  const int8_t *input_weights, *state_weights;
  const int32_t *input_bias, *state_bias;
  int32_t input_multiplier, input_shift, state_multiplier, state_shift;
  const int16_t *peephole; /* weights of the cell's own state */
  int32_t peephole_multiplier, peephole_shift;
  const int16_t *norm; /* factors after the normalisation of the layer */
  const int32_t *norm_bias;
  int32_t norm_multiplier, norm_shift, norm_guard;
} eb_lstm_gate;

typedef struct {
  int32_t inputs, cells, outputs;
  int32_t batches, times;
  int32_t batch_step, time_step; /* positions, counted in vectors */
  int32_t cell_bits;             /* the cell's state is in steps of 2^-cell_bits */
  int32_t cell_clip;             /* 0 for none */
  int32_t hidden_multiplier, hidden_shift, hidden_zero;
  const int8_t *projection; /* NULL for none */
  const int32_t *projection_bias;
  int32_t projection_multiplier, projection_shift, projection_zero, projection_clip;
  eb_lstm_gate input, forget, cell, output; /* an input gate without weights is 1 - the forget gate */
} eb_lstm_params;

/* A long short-term memory over all time steps. Scratch holds (inputs + outputs + 5 * cells + 6) values of 16 bits. */
void eb_lstm_s8(const int8_t *input, int8_t *output, int8_t *state, int16_t *cell, int16_t *scratch,
                const eb_lstm_params *p);

typedef struct {
  int32_t batches, inputs, filters, rank, memory; /* number of filters, `rank` of which make one output */
  const int8_t *weights;
  const int32_t *bias; /* NULL for none */
  int32_t input_offset, multiplier, shift, state_zero;
  int32_t out_multiplier, out_shift, out_zero;
} eb_svdf_params;

/* Filters over time: the state holds the last `memory` results of each filter, the newest last. Scratch holds `inputs`
 * values of 16 bits. */
void eb_svdf_s8(const int8_t *input, const int8_t *time_weights, int8_t *output, int8_t *state, int16_t *scratch,
                const eb_svdf_params *p);
void eb_svdf_s16(const int8_t *input, const int16_t *time_weights, int8_t *output, int16_t *state, int16_t *scratch,
                 const eb_svdf_params *p);
#endif
