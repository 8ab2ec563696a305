#include "grf_insole.h"

#include <string.h>

/* Nothing that is written before it is seen after it: a window is whole before it is said to wait. */
#if defined(__GNUC__)
#define IN_ORDER() __sync_synchronize()
#else
#define IN_ORDER() ((void)0) /* volatile alone: enough on a core by itself that keeps to the order of its program */
#endif

#define PLACE 127u /* of a column's origin, without the mark of turned signs */

/* What was not told is the column's centre. */
static void forget_told(const grf_insole_settings_t *settings, grf_insole_t *insole)
{
    for (uint32_t k = 0; k < settings->model->inputs; ++k) {
        uint32_t place = settings->from[k] - (uint32_t)GRF_FROM_TOLD;
        int32_t offset = settings->columns[k].offset;
        if (place < GRF_INSOLE_TOLD) {
            insole->told[place] = (int16_t)(offset > 32767 ? 32767 : (offset < -32768 ? -32768 : offset));
        }
    }
}

/* Whether every axis that is sent is one of the model's. */
static int sends_answers(const grf_insole_settings_t *settings)
{
    uint32_t axes = grf_axes_count(settings->axes);
    for (uint32_t a = 0; a < axes; ++a) {
        if (settings->column[a] >= settings->model->outputs) {
            return 0;
        }
    }
    return 1;
}

int grf_insole_start(const grf_insole_settings_t *settings, grf_insole_t *insole, const grf_insole_memory_t *memory,
                     int left)
{
    memset(insole, 0, sizeof *insole);
    insole->memory = *memory;
    insole->left = left != 0;
    if (memory->window == 0 || memory->input == 0 || memory->answer == 0 || memory->curve == 0 ||
        memory->scratch == 0 || (settings->lowpass != 0 && memory->work == 0) ||
        settings->buffer->points != settings->model->points || settings->buffer->channels > settings->model->inputs ||
        settings->buffer->channels > GRF_CELLS + GRF_IMU || settings->model->points > GRF_MAX_POINTS ||
        !sends_answers(settings) || !grf_stance_start(settings->buffer, &insole->stance, memory->ring)) {
        return 0;
    }
    forget_told(settings, insole);
    grf_detect_start(&insole->detect);
    if (settings->levels == 0) {
        return 1;
    }
    return settings->levels->cells == GRF_CELLS && grf_levels_start(settings->levels, &insole->levels, memory->lowest);
}

/* A sample's row for the stance buffer. */
static void row_of(const grf_insole_settings_t *settings, const uint16_t *cells, const int16_t *imu, int16_t *row)
{
    for (uint32_t k = 0; k < settings->buffer->channels; ++k) {
        uint32_t place = settings->from[k] & PLACE;
        if (place < GRF_FROM_IMU) {
            row[k] = (int16_t)cells[place];
        } else {
            row[k] = place < GRF_FROM_IMU + GRF_IMU ? imu[place - GRF_FROM_IMU] : (int16_t)0;
        }
    }
}

/* Takes a sample, cells as far as 15 bits hold them; returns its load for the detector. */
static int32_t take(const grf_insole_settings_t *settings, grf_insole_t *insole, const grf_sensor_t *sample)
{
    uint16_t cells[GRF_CELLS];
    int16_t row[GRF_CELLS + GRF_IMU];
    int32_t load = 0;
    for (uint32_t c = 0; c < GRF_CELLS; ++c) {
        cells[c] = sample->cells[c] < 32767u ? sample->cells[c] : 32767u;
        load += cells[c];
    }
    row_of(settings, cells, sample->imu, row);
    grf_stance_push(settings->buffer, &insole->stance, row);
    if (settings->levels != 0) {
        grf_levels_push(settings->levels, &insole->levels, cells);
    }
    return load;
}

static uint32_t contact_100us(const grf_insole_settings_t *settings, const grf_insole_t *insole)
{
    uint64_t whole = ((uint64_t)insole->cut.info.contact_q8 * settings->tick_q16 + 0x8000u) >> 16;
    return whole > 65535u ? 65535u : (uint32_t)whole;
}

/* The number of a column at a point of the window, in the column's counts. */
static int32_t count_of(const grf_insole_settings_t *settings, const grf_insole_t *insole,
                        const grf_relative_t *relative, uint32_t point, uint32_t column)
{
    uint32_t from = settings->from[column], place = from & PLACE;
    if (column < settings->buffer->channels) {
        int32_t raw = insole->memory.window[point * settings->buffer->channels + column];
        if (relative != 0 && place < GRF_FROM_IMU) {
            raw = grf_relative(relative, place, raw);
        }
        return insole->left && (from & GRF_FROM_TURNED) ? -raw : raw;
    }
    if (place == GRF_FROM_CONTACT) {
        int32_t contact = (int32_t)contact_100us(settings, insole);
        return contact > 32767 ? 32767 : contact;
    }
    place -= (uint32_t)GRF_FROM_TOLD;
    return place < GRF_INSOLE_TOLD ? insole->told[place] : 0;
}

static void fill_input(const grf_insole_settings_t *settings, grf_insole_t *insole, const grf_relative_t *relative)
{
    int8_t *to = insole->memory.input;
    for (uint32_t point = 0; point < settings->model->points; ++point) {
        for (uint32_t k = 0; k < settings->model->inputs; ++k) {
            *to++ = grf_input(count_of(settings, insole, relative, point, k), settings->columns + k, point);
        }
    }
}

/* A step of the model's answer as one of the report's curve. */
static int8_t step_of(const grf_curve_t *curve, int8_t answer)
{
    int32_t value = ((int32_t)answer * curve->multiplier + curve->addend) >> 16;
    return (int8_t)(value > 127 ? 127 : (value < -128 ? -128 : value));
}

/* The curves in the order of the report, their scales in BW, and the features. */
static void tell(const grf_insole_settings_t *settings, const grf_insole_t *insole, grf_report_t *report)
{
    uint32_t axes = grf_axes_count(settings->axes);
    int8_t *to = insole->memory.curve;
    memset(report, 0, sizeof *report);
    report->model_id = settings->model_id;
    report->contact_100us = (uint16_t)contact_100us(settings, insole);
    report->points = (uint8_t)settings->model->points;
    report->axes = settings->axes;
    report->missed = (uint8_t)(insole->cut.info.missed < 255u ? insole->cut.info.missed : 255u);
    for (uint32_t a = 0; a < axes; ++a) {
        float per = settings->newtons ? insole->bw_per_n : 1.0f;
        report->offset_bw[a] = per * settings->offset[a];
        report->scale_bw[a] = per * settings->scale[a];
    }
    for (uint32_t point = 0; point < settings->model->points; ++point) {
        for (uint32_t a = 0; a < axes; ++a) {
            int8_t answer = insole->memory.answer[point * settings->model->outputs + settings->column[a]];
            *to++ = settings->curve != 0 ? step_of(settings->curve + point * axes + a, answer) : answer;
        }
    }
    report->curve = insole->memory.curve;
    grf_report_features(report);
}

/* Keeps what the answer needs of a stance that has just ended; its cells' levels go on moving. */
static void cut(const grf_insole_settings_t *settings, grf_insole_t *insole, const grf_relative_t *relative)
{
    insole->cut.info = insole->info;
    if (relative != 0) {
        memcpy(insole->cut.level_q8, relative->level_q8, sizeof insole->cut.level_q8);
        insole->cut.relative = *relative;
        insole->cut.relative.level_q8 = insole->cut.level_q8;
    }
    if (settings->lowpass != 0) {
        grf_stance_lowpass(settings->buffer, &insole->stance, &insole->info, settings->lowpass, insole->memory.work,
                           insole->memory.window);
    }
}

/* What an event means; 1 where a stance is ready and cut. */
static int end(const grf_insole_settings_t *settings, grf_insole_t *insole, const grf_event_t *event)
{
    uint8_t busy = insole->waits;
    IN_ORDER();
    insole->result = grf_stance_take(settings->buffer, &insole->stance, event, busy ? 0 : insole->memory.window,
                                     &insole->info);
    int ready = insole->result == GRF_STANCE_READY;
    grf_relative_t relative;
    if (settings->levels != 0) {
        int step = grf_levels_event(settings->levels, &insole->levels, event, insole->result);
        ready = step && ready && grf_levels_relative(settings->levels, &insole->levels, &relative);
    }
    if (!ready || busy) {
        insole->unanswered += (uint32_t)ready;
        return 0;
    }
    cut(settings, insole, settings->levels != 0 ? &relative : 0);
    IN_ORDER();
    insole->waits = 1;
    return 1;
}

int grf_insole_take(const grf_insole_settings_t *settings, grf_insole_t *insole, const grf_sensor_t *sample)
{
    grf_event_t event;
    int32_t load = GRF_MISSING;
    if (sample != 0) {
        load = take(settings, insole, sample);
    } else {
        grf_stance_push(settings->buffer, &insole->stance, 0);
    }
    return grf_detect_push(settings->contacts, &insole->detect, load, &event) > 0 && end(settings, insole, &event);
}

int grf_insole_answer(const grf_insole_settings_t *settings, grf_insole_t *insole, grf_report_t *report)
{
    const grf_insole_memory_t *memory = &insole->memory;
    int answered = 0;
    if (!insole->waits) {
        return 0;
    }
    IN_ORDER();
    if (!settings->newtons || insole->bw_per_n > 0.0f) {
        fill_input(settings, insole, settings->levels != 0 ? &insole->cut.relative : 0);
        answered = grf_model_run(settings->model, memory->input, memory->answer, memory->scratch) == GRF_OK;
    }
    if (answered) {
        tell(settings, insole, report);
    }
    IN_ORDER();
    insole->waits = 0;
    return answered;
}

int grf_insole_push(const grf_insole_settings_t *settings, grf_insole_t *insole, const grf_sensor_t *sample,
                    grf_report_t *report)
{
    return grf_insole_take(settings, insole, sample) && grf_insole_answer(settings, insole, report);
}
