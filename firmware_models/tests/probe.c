#include "probe.h"

#include <stdlib.h>
#include <string.h>

#include "grf_detect.h"
#include "grf_input.h"
#include "grf_levels.h"
#include "grf_math.h"
#include "grf_packet.h"
#include "grf_stance.h"

void probe_sigmoid(const int16_t *x, int16_t *y, uint32_t count)
{
    for (uint32_t k = 0; k < count; ++k) {
        y[k] = (int16_t)grf_sigmoid(x[k]);
    }
}

void probe_tanh(const int16_t *x, int16_t *y, uint32_t count, int32_t power)
{
    int32_t shift = 12 + power;
    grf_tanh_scale_t scale = {3, 0, 0};
    if (shift >= 0) {
        scale.multiplier = 3 << shift;
    } else {
        scale.right = (uint8_t)-shift;
        scale.half = 1 << (-shift - 1);
    }
    for (uint32_t k = 0; k < count; ++k) {
        y[k] = (int16_t)grf_tanh_scaled(x[k], scale);
    }
}

void probe_rescale(const int32_t *x, int32_t *y, uint32_t count, int32_t multiplier, int32_t up, int32_t right)
{
    grf_scale_t scale = {multiplier, (uint8_t)up, (uint8_t)right};
    for (uint32_t k = 0; k < count; ++k) {
        y[k] = grf_rescale(2 * x[k], scale);
    }
}

static grf_detect_settings_t detector(const int32_t *s)
{
    grf_detect_settings_t one = {(uint8_t)s[0],  (uint8_t)s[1],  (uint8_t)s[2],  (uint8_t)s[3],
                                 (uint8_t)s[4],  (uint8_t)s[5],  (uint16_t)s[6], (uint16_t)s[7],
                                 (uint32_t)s[8], (uint32_t)s[9], s[10],          (uint8_t)s[11],
                                 (uint32_t)s[12], (uint8_t)s[13], (uint32_t)s[14], (uint32_t)s[15]};
    return one;
}

int32_t probe_detect(const int32_t *settings, const int32_t *samples, uint32_t count, uint32_t *events,
                     uint32_t room)
{
    grf_detect_settings_t one = detector(settings);
    grf_detect_t detect;
    grf_event_t event;
    uint32_t found = 0;
    grf_detect_start(&detect);
    for (uint32_t k = 0; k < count; ++k) {
        int told = grf_detect_push(&one, &detect, samples[k], &event);
        if (told > 0 && found < room) {
            uint32_t *to = events + 4u * found++;
            to[0] = event.kind;
            to[1] = event.fraction_q8;
            to[2] = event.sample;
            to[3] = event.emitted;
        }
    }
    return (int32_t)found;
}

static uint32_t take(const grf_stance_settings_t *set, grf_stance_t *stance, const grf_event_t *event,
                     const grf_lowpass_settings_t *lowpass, int32_t *work, uint32_t *answer, int16_t *window)
{
    grf_stance_info_t info = {0, 0, 0, 0};
    answer[0] = (uint32_t)grf_stance_take(set, stance, event, window, &info);
    if (answer[0] == GRF_STANCE_READY && lowpass->channels != 0) {
        grf_stance_lowpass(set, stance, &info, lowpass, work, window);
    }
    answer[1] = info.contact_q8;
    answer[2] = info.first_sample;
    answer[3] = info.missed;
    answer[4] = info.age_q8;
    return 1;
}

int32_t probe_stance(const int32_t *settings, const int32_t *s, const int32_t *filter, const int16_t *rows,
                     const int32_t *loads, const uint8_t *missing, uint32_t count, uint32_t *answers,
                     int16_t *windows, uint32_t room)
{
    grf_lowpass_settings_t lowpass = {filter[0], filter[1], (uint16_t)filter[2], (uint32_t)filter[3]};
    grf_detect_settings_t one = detector(settings);
    grf_stance_settings_t set = {(uint16_t)s[0], (uint16_t)s[1], (uint16_t)s[2], (uint16_t)s[3],
                                 (uint16_t)s[4], (uint16_t)s[5], (uint8_t)s[6]};
    grf_detect_t detect;
    grf_stance_t stance;
    grf_event_t event;
    uint32_t found = 0, size = (uint32_t)set.points * set.channels;
    int16_t *ring = (int16_t *)malloc(GRF_STANCE_RING_BYTES(set.channels, set.capacity) + 1u);
    int32_t *work = (int32_t *)malloc(4u * GRF_LOWPASS_WORDS(set.capacity, lowpass.pad) + 1u);
    grf_detect_start(&detect);
    if (!grf_stance_start(&set, &stance, ring)) {
        free(ring);
        free(work);
        return -1;
    }
    for (uint32_t k = 0; k < count && found < room; ++k) {
        grf_stance_push(&set, &stance, missing[k] ? 0 : rows + k * set.channels);
        if (grf_detect_push(&one, &detect, missing[k] ? GRF_MISSING : loads[k], &event) > 0) {
            found += take(&set, &stance, &event, &lowpass, work, answers + 5u * found, windows + found * size);
        }
    }
    free(ring);
    free(work);
    return (int32_t)found;
}

void probe_lowpass(const int32_t *filter, int32_t *samples, uint32_t count)
{
    grf_lowpass_settings_t lowpass = {filter[0], filter[1], (uint16_t)filter[2], (uint32_t)filter[3]};
    int32_t *work = (int32_t *)malloc(4u * GRF_LOWPASS_WORDS(count, lowpass.pad) + 1u);
    memcpy(work, samples, 4u * count);
    grf_lowpass(&lowpass, work, count);
    memcpy(samples, work, 4u * count);
    free(work);
}

static void levels_of(const int32_t *s, grf_levels_settings_t *to)
{
    grf_levels_settings_t one = {(uint8_t)s[0], (uint8_t)s[1], (uint8_t)s[2], (uint8_t)s[3],
                                 (uint8_t)s[4], (uint8_t)s[5], (uint8_t)s[6], (uint8_t)s[7],
                                 (uint16_t)s[8], (uint16_t)s[9], (uint16_t)s[10]};
    *to = one;
}

/* What is known after an event: whether it ended a step, whether the levels are known, their integers, and what a few
 * counts become in each cell. */
static void levels_answer(const grf_levels_settings_t *set, const grf_levels_t *levels, int stepped, int64_t *to)
{
    grf_relative_t relative = {levels->level_q8, 0, 1};
    int known = grf_levels_relative(set, levels, &relative);
    to[0] = stepped;
    to[1] = known;
    to[2] = known ? relative.multiplier : 0;
    to[3] = known ? relative.shift : 0;
    for (uint32_t c = 0; c < set->cells; ++c) {
        to[4u + c] = levels->level_q8[c];
        to[20u + c] = known ? grf_relative(&relative, c, (int32_t)(c * 2000u)) : 0;
    }
}

int32_t probe_levels(const int32_t *settings, const uint16_t *cells, const uint8_t *events, uint32_t count,
                     int64_t *answers)
{
    grf_levels_settings_t set;
    grf_levels_t levels;
    uint32_t found = 0;
    levels_of(settings, &set);
    uint16_t *lowest = (uint16_t *)malloc(2u * GRF_LEVELS_NUMBERS(set.cells, set.blocks, set.lowest) + 1u);
    if (!grf_levels_start(&set, &levels, lowest)) {
        free(lowest);
        return -1;
    }
    for (uint32_t k = 0; k < count; ++k) {
        grf_levels_push(&set, &levels, cells + (size_t)k * set.cells);
        if (events[k] != 0) {
            grf_event_t event = {(uint8_t)(events[k] & 3u), 0, k, k};
            int stepped = grf_levels_event(&set, &levels, &event, (grf_stance_result_t)(events[k] >> 2 & 7u));
            levels_answer(&set, &levels, stepped, answers + 36u * found++);
        }
    }
    free(lowest);
    return (int32_t)found;
}

static void channels_of(const int32_t *from, uint32_t count, grf_channel_t *to)
{
    for (uint32_t k = 0; k < count; ++k, from += 4) {
        grf_channel_t one = {from[0], from[1], (uint8_t)from[2], (int8_t)from[3], 0};
        to[k] = one;
    }
}

void probe_input(const int32_t *channels, uint32_t count, const int16_t *raw, uint32_t rows, int8_t *to)
{
    grf_channel_t all[64];
    channels_of(channels, count, all);
    grf_input_signed(raw, all, count, rows, to);
}

void probe_input_unsigned(const int32_t *channels, uint32_t count, const uint16_t *raw, uint32_t rows, int8_t *to)
{
    grf_channel_t all[64];
    channels_of(channels, count, all);
    grf_input_unsigned(raw, all, count, rows, to);
}

static size_t again(const grf_header_t *header, const uint8_t *from, size_t size, uint8_t *to, size_t room)
{
    grf_sensor_t sensors[255];
    grf_sample_t samples[255];
    grf_fragment_t piece;
    if (header->type == GRF_TYPE_STANCE && grf_fragment_decode(from, size, &piece)) {
        uint8_t *rest = to + grf_header_encode(header, to);
        rest[0] = (uint8_t)(piece.stance_id & 0xFFu);
        rest[1] = (uint8_t)(piece.stance_id >> 8);
        rest[2] = piece.fragment;
        rest[3] = piece.fragments;
        memcpy(rest + GRF_FRAGMENT_BYTES, piece.bytes, header->count);
        return size;
    }
    for (uint32_t k = 0; k < header->count; ++k) {
        if (!grf_sensor_decode(from, size, (uint8_t)k, &sensors[k]) &&
            !grf_samples_decode(from, size, (uint8_t)k, &samples[k])) {
            return 0;
        }
    }
    if (header->type == GRF_TYPE_SENSOR) {
        return grf_sensor_encode(header, sensors, to, room);
    }
    return grf_samples_encode(header, samples, to, room);
}

int32_t probe_packet(const uint8_t *from, size_t size, uint8_t *to, size_t room)
{
    grf_header_t header;
    if (size > room || !grf_header_decode(from, size, &header)) {
        return 0;
    }
    size_t made = again(&header, from, size, to, room);
    if (made == 0) {
        return 0;
    }
    return made == size && memcmp(from, to, size) == 0 ? 1 : -1;
}

int32_t probe_samples(const uint32_t *head, const int32_t *rows, uint8_t *to, size_t room)
{
    grf_header_t header = {(uint8_t)head[0],  (uint8_t)head[1], (uint16_t)head[2], head[3],
                           (uint16_t)head[4], (uint8_t)head[5], (uint8_t)head[6]};
    grf_sensor_t sensors[255];
    grf_sample_t samples[255];
    for (uint32_t k = 0; k < header.count; ++k) {
        if (header.type == GRF_TYPE_SENSOR) {
            for (uint32_t c = 0; c < GRF_CELLS; ++c) {
                sensors[k].cells[c] = (uint16_t)*rows++;
            }
            for (uint32_t c = 0; c < GRF_IMU; ++c) {
                sensors[k].imu[c] = (int16_t)*rows++;
            }
        } else {
            grf_sample_t one = {(int16_t)rows[0], (int16_t)rows[1], (int16_t)rows[2], (int16_t)rows[3],
                                (int16_t)rows[4]};
            samples[k] = one;
            rows += 5;
        }
    }
    return (int32_t)(header.type == GRF_TYPE_SENSOR ? grf_sensor_encode(&header, sensors, to, room)
                                                    : grf_samples_encode(&header, samples, to, room));
}

int32_t probe_report(uint32_t model_id, uint32_t contact_100us, uint32_t points, uint32_t axes, uint32_t missed,
                     const float *offset_bw, const float *scale_bw, const int8_t *curve, uint32_t room, uint8_t *to)
{
    uint8_t bytes[GRF_STANCE_BYTES(GRF_MAX_POINTS, GRF_AXES)];
    grf_report_t report, back;
    grf_header_t header = {GRF_TYPE_STANCE, GRF_FLAG_RIGHT, 65535, 0x01020304u, 0x0506, 0, 9};
    memset(&report, 0, sizeof report);
    report.model_id = model_id;
    report.contact_100us = (uint16_t)contact_100us;
    report.points = (uint8_t)points;
    report.axes = (uint8_t)axes;
    report.missed = (uint8_t)missed;
    memcpy(report.offset_bw, offset_bw, sizeof report.offset_bw);
    memcpy(report.scale_bw, scale_bw, sizeof report.scale_bw);
    report.curve = curve;
    grf_report_features(&report);
    size_t size = grf_report_encode(&report, bytes, sizeof bytes), total = 0;
    if (size == 0 || !grf_report_decode(bytes, size, &back)) {
        return -1;
    }
    for (uint8_t k = 0; k < grf_fragments(size, room); ++k, ++header.sequence) {
        total += grf_fragment_encode(&header, 0x0708, k, bytes, size, to + total, room);
    }
    return (int32_t)total;
}
