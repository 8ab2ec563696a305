#include "grf_model.h"

#include "grf_mac.h"

/* The row that stands where row `seen` would, which wraps to a huge number before the first one. */
static uint32_t held(const grf_run_t *run, uint32_t seen)
{
    if (seen >= 0xC0000000u) {
        return 0;
    }
    return run->model->stream || seen < run->model->points ? seen : run->model->points - 1u;
}

/* All rows that the taps see, side by side; returns how many rows of four numbers they fill. */
static void gather_taps(const grf_run_t *run, const grf_layer_t *layer, uint32_t row, int16_t *to)
{
    const grf_conv_t *conv = (const grf_conv_t *)layer->settings;
    uint32_t count = 0, channels = 0;
    for (uint32_t k = 0; k < layer->sources; ++k) {
        channels += run->model->view[layer->source[k]].width;
    }
    for (uint32_t tap = 0; tap < conv->taps; ++tap) {
        uint32_t seen = row + tap * conv->dilation - conv->before; /* wraps to a huge number before the first row */
        if (conv->hold) {
            (void)grf_gather(run, layer, held(run, seen), to + count);
        } else if (seen < 0xC0000000u && (run->model->stream || seen < run->model->points)) {
            (void)grf_gather(run, layer, seen, to + count);
        } else {
            for (uint32_t k = 0; k < channels; ++k) {
                to[count + k] = conv->pad;
            }
        }
        count += channels;
    }
    while (count < 4u * conv->fours) {
        to[count++] = 0;
    }
}

static void finish(const grf_conv_t *conv, const int32_t *sums, uint32_t first, int8_t *out)
{
    uint32_t end = first + 4u < conv->outputs ? first + 4u : conv->outputs;
    int32_t zero = conv->zero, low = conv->low, high = conv->high; /* `out` might be anything to the compiler */
    uint32_t step = conv->per_channel;
    const grf_scale_t *scale = conv->scale + step * first;
    for (uint32_t k = first; k < end; ++k, scale += step) {
        out[k] = (int8_t)grf_clamp(grf_rescale(*sums++, *scale) + zero, low, high);
    }
}

void grf_conv_row(const grf_run_t *run, const grf_layer_t *layer, uint32_t row)
{
    const grf_conv_t *conv = (const grf_conv_t *)layer->settings;
    int16_t *values = (int16_t *)(void *)(run->scratch + GRF_GATHERED);
    uint32_t padded = (conv->outputs + 3u) & ~3u;
    int32_t *kept = conv->partial ? (int32_t *)(void *)(run->scratch + conv->sums) + row * padded : 0;
    const int32_t *bias = conv->partial == 2 ? kept : conv->bias;
    const int16_t *weights = conv->weights;
    gather_taps(run, layer, row, values);
    int8_t *out = conv->partial == 1 ? 0 : grf_row_out(run, layer->target, row);
    for (uint32_t k = 0; k < conv->outputs; k += 4) {
        int32_t sums[4];
        weights = grf_mac4(weights, values, conv->fours, bias + k, conv->partial == 1 ? kept + k : sums);
        if (conv->partial != 1) {
            finish(conv, sums, k, out);
        }
    }
}
