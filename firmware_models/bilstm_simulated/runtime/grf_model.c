#include "grf_model.h"

#include "grf_mac.h"

static uint32_t place(const grf_view_t *view, uint32_t row)
{
    return view->offset + (row < view->rows ? row : row % view->rows) * view->stride;
}

const int8_t *grf_row(const grf_run_t *run, uint8_t view, uint32_t row)
{
    const grf_view_t *one = &run->model->view[view];
    uint32_t at = place(one, row);
    if (one->place == GRF_INPUT) {
        return run->input + at;
    }
    return one->place == GRF_OUTPUT ? run->output + at : (const int8_t *)run->scratch + at;
}

int8_t *grf_row_out(const grf_run_t *run, uint8_t view, uint32_t row)
{
    const grf_view_t *one = &run->model->view[view];
    uint32_t at = place(one, row);
    return one->place == GRF_OUTPUT ? run->output + at : (int8_t *)run->scratch + at;
}

uint32_t grf_gather(const grf_run_t *run, const grf_layer_t *layer, uint32_t row, int16_t *to)
{
    uint32_t count = 0;
    for (uint32_t k = 0; k < layer->sources; ++k) {
        uint32_t width = run->model->view[layer->source[k]].width;
        grf_widen(grf_row(run, layer->source[k], row), to + count, width);
        count += width;
    }
    return count;
}

static void copy_row(const grf_run_t *run, const grf_layer_t *layer, uint32_t row)
{
    uint32_t width = run->model->view[layer->source[0]].width;
    const int8_t *from = grf_row(run, layer->source[0], row);
    int8_t *to = grf_row_out(run, layer->target, row);
    for (uint32_t k = 0; k < width; ++k) {
        to[k] = from[k];
    }
}

static void run_row(const grf_run_t *run, const grf_group_t *group, uint32_t row)
{
    const grf_layer_t *layer = run->model->layer + group->first;
    for (uint32_t k = 0; k < group->count; ++k, ++layer) {
        switch ((grf_kind_t)layer->kind) {
        case GRF_LSTM:
            grf_lstm_row(run, layer, row);
            break;
        case GRF_CONV:
            grf_conv_row(run, layer, row);
            break;
        case GRF_ADD:
            grf_add_row(run, layer, row);
            break;
        case GRF_COPY:
            copy_row(run, layer, row);
            break;
        }
    }
}

static void start_group(const grf_model_t *model, const grf_group_t *group, uint8_t *scratch)
{
    for (uint32_t k = 0; k < group->count; ++k) {
        const grf_layer_t *layer = &model->layer[group->first + k];
        if (layer->kind == GRF_LSTM) {
            grf_lstm_start((const grf_lstm_t *)layer->settings, scratch);
        }
    }
}

static grf_status_t check(const grf_model_t *model, const void *input, const void *output, const void *scratch)
{
    if (model == 0 || input == 0 || output == 0 || scratch == 0) {
        return GRF_NO_MEMORY;
    }
    return ((uintptr_t)scratch & 3u) != 0 ? GRF_ALIGNMENT : GRF_OK;
}

grf_status_t grf_model_run(const grf_model_t *model, const int8_t *input, int8_t *output, void *scratch)
{
    grf_status_t status = check(model, input, output, scratch);
    if (status != GRF_OK) {
        return status;
    }
    if (model->stream) {
        (void)grf_model_start(model, scratch);
        return grf_model_step(model, input, output, model->points, scratch);
    }
    grf_run_t run = {model, input, output, (uint8_t *)scratch};
    for (uint32_t g = 0; g < model->groups; ++g) {
        const grf_group_t *group = &model->group[g];
        start_group(model, group, run.scratch);
        uint32_t rows = group->once ? 1u : model->points;
        for (uint32_t k = 0; k < rows; ++k) {
            run_row(&run, group, group->reversed ? rows - 1u - k : k);
        }
    }
    return GRF_OK;
}

grf_status_t grf_model_start(const grf_model_t *model, void *scratch)
{
    grf_status_t status = check(model, scratch, scratch, scratch);
    if (status != GRF_OK) {
        return status;
    }
    if (!model->stream) {
        return GRF_NO_STREAM;
    }
    *(uint32_t *)scratch = 0;
    start_group(model, model->group, (uint8_t *)scratch);
    return GRF_OK;
}

grf_status_t grf_model_step(const grf_model_t *model, const int8_t *input, int8_t *output, uint32_t rows,
                            void *scratch)
{
    grf_status_t status = check(model, input, output, scratch);
    if (status != GRF_OK) {
        return status;
    }
    if (!model->stream) {
        return GRF_NO_STREAM;
    }
    uint32_t *row = (uint32_t *)scratch;
    grf_run_t run = {model, input, output, (uint8_t *)scratch};
    for (uint32_t k = 0; k < rows; ++k) {
        if (*row >= 0x80000000u) {
            return GRF_TOO_LONG;
        }
        run_row(&run, model->group, (*row)++);
        run.input += model->inputs;
        run.output += model->outputs;
    }
    return GRF_OK;
}
