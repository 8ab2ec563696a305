#include "grf_model.h"

#include "grf_mac.h"

void grf_lstm_start(const grf_lstm_t *lstm, uint8_t *scratch)
{
    int16_t *hidden = (int16_t *)(void *)(scratch + lstm->hidden);
    int16_t *cell = (int16_t *)(void *)(scratch + lstm->cell);
    for (uint32_t k = 0; k < 4u * lstm->recurrent_fours; ++k) {
        hidden[k] = lstm->zero;
    }
    for (uint32_t k = 0; k < lstm->units; ++k) {
        cell[k] = 0;
    }
}

/* The hidden state of one unit from its four gates, and its cell. */
static inline int8_t step_unit(const grf_lstm_t *lstm, const int32_t *gate, int16_t *cell)
{
    int32_t kept = grf_rescale(2 * grf_sigmoid(gate[1]) * *cell, lstm->forget);
    int32_t added = grf_rescale(2 * grf_sigmoid(gate[0]) * grf_tanh(3 * gate[2]), lstm->update);
    int32_t now = grf_sat16(grf_sat16(kept) + grf_sat16(added));
    if ((uint32_t)(now + lstm->clip) > 2u * (uint32_t)lstm->clip) {
        now = now < 0 ? -lstm->clip : lstm->clip;
    }
    *cell = (int16_t)now;
    int32_t seen = 2 * grf_sigmoid(gate[3]) * grf_tanh_scaled(now, lstm->cell_tanh);
    return (int8_t)grf_sat8(grf_rescale(seen, lstm->output) + lstm->zero);
}

void grf_lstm_row(const grf_run_t *run, const grf_layer_t *layer, uint32_t row)
{
    const grf_lstm_t *lstm = (const grf_lstm_t *)layer->settings;
    int16_t *values = (int16_t *)(void *)(run->scratch + GRF_GATHERED);
    int16_t *hidden = (int16_t *)(void *)(run->scratch + lstm->hidden);
    int16_t *cell = (int16_t *)(void *)(run->scratch + lstm->cell);
    const int16_t *weights = lstm->weights;
    const int32_t *bias = lstm->bias;
    int8_t *out = grf_row_out(run, layer->target, row);
    for (uint32_t k = grf_gather(run, layer, row, values); k < 4u * lstm->input_fours; ++k) {
        values[k] = 0;
    }
    for (uint32_t unit = 0; unit < lstm->units; ++unit) {
        int32_t gate[4], before[4];
        weights = grf_mac4(weights, values, lstm->input_fours, bias, gate);
        weights = grf_mac4(weights, hidden, lstm->recurrent_fours, bias + 4, before);
        bias += 8;
        for (uint32_t k = 0; k < 4; ++k) {
            int32_t now = grf_sat16(grf_rescale(gate[k], lstm->input_scale[k]));
            gate[k] = grf_sat16(now + grf_sat16(grf_rescale(before[k], lstm->recurrent_scale[k])));
        }
        out[unit] = step_unit(lstm, gate, cell + unit);
    }
    grf_widen(out, hidden, lstm->units);
}
