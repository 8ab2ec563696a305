#include "grf_packet.h"

#include <string.h>

static void put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value & 0xFFu);
    to[1] = (uint8_t)((value >> 8) & 0xFFu);
}

static void put32(uint8_t *to, uint32_t value)
{
    put16(to, value & 0xFFFFu);
    put16(to + 2, value >> 16);
}

static uint16_t get16(const uint8_t *from)
{
    return (uint16_t)(from[0] | (uint32_t)from[1] << 8);
}

static int16_t get_signed(const uint8_t *from)
{
    int32_t value = get16(from);
    return (int16_t)(value > 32767 ? value - 65536 : value);
}

static uint32_t get32(const uint8_t *from)
{
    return get16(from) | (uint32_t)get16(from + 2) << 16;
}

static void put_float(uint8_t *to, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put32(to, bits);
}

static float get_float(const uint8_t *from)
{
    uint32_t bits = get32(from);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

size_t grf_header_encode(const grf_header_t *header, uint8_t *to)
{
    to[0] = (uint8_t)(GRF_VERSION << 4 | (header->type & 0x0Fu));
    to[1] = header->flags;
    put16(to + 2, header->sequence);
    put32(to + 4, header->time_us);
    put16(to + 8, header->counter);
    to[10] = header->count;
    to[11] = header->cfg_id;
    return GRF_HEADER_BYTES;
}

/* The length that a packet of this header must have; 0 for an unknown type or none. */
static size_t whole(const grf_header_t *header)
{
    size_t count = header->count;
    if (count == 0) {
        return 0;
    }
    switch (header->type) {
    case GRF_TYPE_SENSOR:
        return GRF_HEADER_BYTES + count * GRF_SENSOR_BYTES;
    case GRF_TYPE_SAMPLES:
        return GRF_HEADER_BYTES + count * GRF_SAMPLE_BYTES;
    case GRF_TYPE_STANCE:
        return GRF_HEADER_BYTES + GRF_FRAGMENT_BYTES + count;
    default:
        return 0;
    }
}

int grf_header_decode(const uint8_t *from, size_t size, grf_header_t *header)
{
    if (size < GRF_HEADER_BYTES || from[0] >> 4 != GRF_VERSION) {
        return 0;
    }
    header->type = from[0] & 0x0Fu;
    header->flags = from[1];
    header->sequence = get16(from + 2);
    header->time_us = get32(from + 4);
    header->counter = get16(from + 8);
    header->count = from[10];
    header->cfg_id = from[11];
    return whole(header) == size;
}

size_t grf_sensor_encode(const grf_header_t *header, const grf_sensor_t *samples, uint8_t *to, size_t room)
{
    size_t size = whole(header);
    if (header->type != GRF_TYPE_SENSOR || size == 0 || size > room) {
        return 0;
    }
    to += grf_header_encode(header, to);
    for (uint32_t s = 0; s < header->count; ++s, to += GRF_SENSOR_BYTES) {
        for (uint32_t k = 0; k < GRF_CELLS; ++k) {
            put16(to + 2u * k, samples[s].cells[k]);
        }
        for (uint32_t k = 0; k < GRF_IMU; ++k) {
            put16(to + 2u * (GRF_CELLS + k), (uint16_t)samples[s].imu[k]);
        }
    }
    return size;
}

size_t grf_samples_encode(const grf_header_t *header, const grf_sample_t *samples, uint8_t *to, size_t room)
{
    size_t size = whole(header);
    if (header->type != GRF_TYPE_SAMPLES || size == 0 || size > room) {
        return 0;
    }
    to += grf_header_encode(header, to);
    for (uint32_t s = 0; s < header->count; ++s, to += GRF_SAMPLE_BYTES) {
        put16(to, (uint16_t)samples[s].fx);
        put16(to + 2, (uint16_t)samples[s].fy);
        put16(to + 4, (uint16_t)samples[s].fz);
        put16(to + 6, (uint16_t)samples[s].cop_x);
        put16(to + 8, (uint16_t)samples[s].cop_y);
    }
    return size;
}

int grf_sensor_decode(const uint8_t *from, size_t size, uint8_t k, grf_sensor_t *sample)
{
    grf_header_t header;
    if (!grf_header_decode(from, size, &header) || header.type != GRF_TYPE_SENSOR || k >= header.count) {
        return 0;
    }
    from += GRF_HEADER_BYTES + k * GRF_SENSOR_BYTES;
    for (uint32_t c = 0; c < GRF_CELLS; ++c) {
        sample->cells[c] = get16(from + 2u * c);
    }
    for (uint32_t c = 0; c < GRF_IMU; ++c) {
        sample->imu[c] = get_signed(from + 2u * (GRF_CELLS + c));
    }
    return 1;
}

int grf_samples_decode(const uint8_t *from, size_t size, uint8_t k, grf_sample_t *sample)
{
    grf_header_t header;
    if (!grf_header_decode(from, size, &header) || header.type != GRF_TYPE_SAMPLES || k >= header.count) {
        return 0;
    }
    from += GRF_HEADER_BYTES + k * GRF_SAMPLE_BYTES;
    sample->fx = get_signed(from);
    sample->fy = get_signed(from + 2);
    sample->fz = get_signed(from + 4);
    sample->cop_x = get_signed(from + 6);
    sample->cop_y = get_signed(from + 8);
    return 1;
}

uint8_t grf_axes_count(uint8_t axes)
{
    return (uint8_t)((axes & 1u) + (axes >> 1 & 1u) + (axes >> 2 & 1u));
}

/* Rounded and saturated; 0 for what is no number. */
static int16_t whole16(float value)
{
    if (!(value > -1e30f && value < 1e30f)) {
        return 0;
    }
    value += value < 0.0f ? -0.5f : 0.5f;
    return (int16_t)(value > 32767.0f ? 32767.0f : (value < -32768.0f ? -32768.0f : value));
}

/* Least, greatest (and where) and sum of one axis's int8 values. */
typedef struct {
    int32_t least, most, sum;
    uint8_t where;
} grf_extremes_t;

static grf_extremes_t extremes(const grf_report_t *report, uint8_t axis, uint8_t count)
{
    grf_extremes_t found = {127, -128, 0, 0};
    for (uint32_t p = 0; p < report->points; ++p) {
        int32_t value = report->curve[p * count + axis];
        int32_t twice = p == 0 || p + 1u == report->points ? value : 2 * value; /* the trapezoidal rule, doubled */
        if (value > found.most) {
            found.most = value;
            found.where = (uint8_t)p;
        }
        found.least = value < found.least ? value : found.least;
        found.sum += twice;
    }
    return found;
}

void grf_report_features(grf_report_t *report)
{
    uint8_t count = grf_axes_count(report->axes);
    report->peak_point = 0;
    report->peak_mbw = report->impulse_100ubw_s = report->braking_mbw = report->propulsion_mbw = 0;
    if (report->points < 2) {
        return;
    }
    if (report->axes & 1u) {
        grf_extremes_t found = extremes(report, 0, count);
        report->braking_mbw = whole16(1000.0f * (report->offset_bw[0] + report->scale_bw[0] * (float)found.least));
        report->propulsion_mbw = whole16(1000.0f * (report->offset_bw[0] + report->scale_bw[0] * (float)found.most));
    }
    if (report->axes & 4u) {
        uint8_t axis = (uint8_t)(count - 1u);
        grf_extremes_t found = extremes(report, axis, count);
        float scale = report->scale_bw[axis], offset = report->offset_bw[axis];
        float mean = offset + scale * (float)found.sum / (2.0f * (float)(report->points - 1));
        report->peak_point = found.where;
        report->peak_mbw = whole16(1000.0f * (offset + scale * (float)found.most));
        report->impulse_100ubw_s = whole16(mean * (float)report->contact_100us);
    }
}

size_t grf_report_encode(const grf_report_t *report, uint8_t *to, size_t room)
{
    uint8_t axes = grf_axes_count(report->axes);
    size_t size = GRF_STANCE_BYTES((size_t)report->points, (size_t)axes);
    if (axes == 0 || report->axes > 7u || report->points == 0 || size > room) {
        return 0;
    }
    put32(to, report->model_id);
    put16(to + 4, report->contact_100us);
    to[6] = report->points;
    to[7] = report->axes;
    to[8] = report->missed;
    to[9] = report->peak_point;
    put16(to + 10, (uint16_t)report->peak_mbw);
    put16(to + 12, (uint16_t)report->impulse_100ubw_s);
    put16(to + 14, (uint16_t)report->braking_mbw);
    put16(to + 16, (uint16_t)report->propulsion_mbw);
    put16(to + 18, 0);
    to += 20;
    for (uint32_t k = 0; k < axes; ++k, to += 8) {
        put_float(to, report->offset_bw[k]);
        put_float(to + 4, report->scale_bw[k]);
    }
    memcpy(to, report->curve, (size_t)report->points * axes);
    return size;
}

int grf_report_decode(const uint8_t *from, size_t size, grf_report_t *report)
{
    if (size < 20 || from[7] == 0 || from[7] > 7 || from[6] == 0) {
        return 0;
    }
    uint8_t axes = grf_axes_count(from[7]);
    if (size != GRF_STANCE_BYTES((size_t)from[6], (size_t)axes)) {
        return 0;
    }
    memset(report, 0, sizeof *report);
    report->model_id = get32(from);
    report->contact_100us = get16(from + 4);
    report->points = from[6];
    report->axes = from[7];
    report->missed = from[8];
    report->peak_point = from[9];
    report->peak_mbw = get_signed(from + 10);
    report->impulse_100ubw_s = get_signed(from + 12);
    report->braking_mbw = get_signed(from + 14);
    report->propulsion_mbw = get_signed(from + 16);
    for (uint32_t k = 0; k < axes; ++k) {
        report->offset_bw[k] = get_float(from + 20 + 8u * k);
        report->scale_bw[k] = get_float(from + 24 + 8u * k);
    }
    report->curve = (const int8_t *)from + 20 + 8u * axes;
    return 1;
}

/* Bytes of the report that one packet carries. */
static size_t carried(size_t room)
{
    size_t least = GRF_HEADER_BYTES + GRF_FRAGMENT_BYTES;
    size_t most = room > least ? room - least : 0;
    return most > 255u ? 255u : most;
}

uint8_t grf_fragments(size_t size, size_t room)
{
    size_t each = carried(room);
    size_t count = each == 0 ? 0 : (size + each - 1u) / each;
    return (uint8_t)(count > 255u ? 0u : count);
}

size_t grf_fragment_encode(const grf_header_t *header, uint16_t stance_id, uint8_t fragment, const uint8_t *report,
                           size_t size, uint8_t *to, size_t room)
{
    uint8_t fragments = grf_fragments(size, room);
    if (header->type != GRF_TYPE_STANCE || fragment >= fragments) {
        return 0;
    }
    size_t start = fragment * carried(room);
    size_t count = size - start < carried(room) ? size - start : carried(room);
    grf_header_t own = *header;
    own.count = (uint8_t)count;
    to += grf_header_encode(&own, to);
    put16(to, stance_id);
    to[2] = fragment;
    to[3] = fragments;
    memcpy(to + GRF_FRAGMENT_BYTES, report + start, count);
    return GRF_HEADER_BYTES + GRF_FRAGMENT_BYTES + count;
}

int grf_fragment_decode(const uint8_t *from, size_t size, grf_fragment_t *fragment)
{
    grf_header_t header;
    if (!grf_header_decode(from, size, &header) || header.type != GRF_TYPE_STANCE) {
        return 0;
    }
    fragment->stance_id = get16(from + 12);
    fragment->fragment = from[14];
    fragment->fragments = from[15];
    fragment->bytes = from + GRF_HEADER_BYTES + GRF_FRAGMENT_BYTES;
    return fragment->fragment < fragment->fragments;
}
