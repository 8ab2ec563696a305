#include "grf_model.h"

/* Both inputs are brought to one scale with 20 bits to spare, added, and brought to the output's. */
void grf_add_row(const grf_run_t *run, const grf_layer_t *layer, uint32_t row)
{
    const grf_add_t *add = (const grf_add_t *)layer->settings;
    const int8_t *first = grf_row(run, layer->source[0], row), *second = grf_row(run, layer->source[1], row);
    int8_t *out = grf_row_out(run, layer->target, row);
    uint32_t width = run->model->view[layer->target].width;
    grf_add_t one = *add; /* a copy: `out` might be anything to the compiler */
    for (uint32_t k = 0; k < width; ++k) {
        int32_t sum = grf_rescale((first[k] - one.first_zero) * (1 << 21), one.first) +
                      grf_rescale((second[k] - one.second_zero) * (1 << 21), one.second);
        out[k] = (int8_t)grf_clamp(grf_rescale(2 * sum, one.sum) + one.zero, one.low, one.high);
    }
}
