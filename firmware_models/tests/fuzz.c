/* Whatever comes in: windows, samples and packets made of any bytes. Built with libFuzzer where clang has it, else with
 * GRF_MUTATE as a program of its own that mutates from a fixed seed; sanitizers say what went wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grf_device.h"
#include "grf_frame.h"
#include "grf_insole.h"
#include "grf_model.h"
#include "grf_packet.h"
#include "probe.h"

#ifdef GRF_HEADER
#include GRF_HEADER
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_packet(const uint8_t *data, size_t size)
{
    uint8_t to[16384];
    grf_report_t report;
    if (probe_packet(data, size, to, sizeof to) < 0) {
        abort();
    }
    if (grf_report_decode(data, size, &report) && report.curve + (size_t)report.points * grf_axes_count(report.axes) !=
                                                      (const int8_t *)data + size) {
        abort();
    }
}

/* Bytes as a line may bring them; and the same bytes as a content, which has to come back. */
static void fuzz_frame(const uint8_t *data, size_t size)
{
    size_t room = size > 0 ? 1u + data[0] : 1u;
    uint8_t *held = (uint8_t *)malloc(room); /* of its exact size: sanitizers see the ends */
    uint8_t *line = (uint8_t *)malloc(GRF_FRAME_BYTES(size));
    uint8_t *back = (uint8_t *)malloc(GRF_FRAME_BYTES(size));
    grf_deframer_t state;
    grf_deframer_start(&state, held, room);
    for (size_t k = 0; k < size; ++k) {
        if (grf_deframer_push(&state, data[k]) > room) {
            abort();
        }
    }
    size_t sent = grf_frame_encode(data, size, line, GRF_FRAME_BYTES(size));
    if (size > 0 && (sent < size + 4u || line[sent - 1u] != 0u || memchr(line, 0, sent - 1u) != 0 ||
                     grf_frame_decode(line, sent - 1u, back, sent - 1u) != size || memcmp(back, data, size) != 0)) {
        abort();
    }
    free(held);
    free(line);
    free(back);
}

/* A low-pass of any coefficients that its settings may have. */
static void any_lowpass(const uint8_t *data, int32_t *filter)
{
    filter[0] = (int32_t)(data[0] | data[1] << 8 | data[2] << 16 | (data[3] & 0x3F) << 24) - (1 << 29);
    filter[1] = (int32_t)(data[4] | data[5] << 8 | data[6] << 16 | (data[7] & 0x1F) << 24) - (1 << 28);
    filter[2] = data[8];
    filter[3] = data[3] >> 6;
}

/* Settings of any kind, most of them possible; the rest are cells and events. */
static void fuzz_levels(const uint8_t *data, size_t size)
{
    static int64_t answers[36 * 1024];
    if (size < 16) {
        return;
    }
    int32_t settings[11] = {data[0] % 18, data[1] % 18, data[2],          data[3] % 104, data[4] % 34,
                            data[5] % 5,  data[6] % 104, data[7] % 104,   data[8] % 9,   data[9] % 33,
                            data[10] << 8 | data[11]};
    uint32_t cells = settings[0] > 0 ? (uint32_t)settings[0] : 1u;
    uint32_t count = (uint32_t)(size - 16) / (2u * cells + 1u);
    count = count < 1024u ? count : 1024u;
    uint16_t *rows = (uint16_t *)malloc(2u * cells * count + 1u);
    memcpy(rows, data + 16, 2u * (size_t)cells * count);
    (void)probe_levels(settings, rows, data + 16 + 2u * (size_t)cells * count, count, answers);
    free(rows);
}

/* The first bytes are settings within their ranges, the rest samples. */
static void fuzz_stance(const uint8_t *data, size_t size)
{
    if (size < 24) {
        return;
    }
    /* the last: a firm load, how long one may linger without it, and cells that creep; 0: rules of older models */
    int32_t settings[16] = {data[0] & 3, 1 + (data[1] & 7), data[2] & 15,     data[3] & 15, 1 + (data[4] & 31), 0,
                            1 + (data[5] & 7), 1 + (data[6] & 7), data[7], data[8] & 31, 1 + data[9],
                            data[12] & 31, data[13] & 15, data[11] & 63, data[9] & 7, data[8]};
    int32_t stance[7] = {2, 4 + data[10], 2 + data[11], data[12], data[13], data[14], settings[0]};
    int32_t filter[4];
    any_lowpass(data + 15, filter);
    uint32_t count = (uint32_t)(size - 24) / 5;
    settings[5] = settings[4];
    int16_t *rows = (int16_t *)calloc(2u * count + 1u, sizeof *rows);
    int32_t *loads = (int32_t *)calloc(count + 1u, sizeof *loads);
    uint8_t *missing = (uint8_t *)calloc(count + 1u, 1);
    uint32_t *answers = (uint32_t *)calloc(5u * (count + 1u), sizeof *answers);
    int16_t *windows = (int16_t *)calloc(2u * 257u * (count + 1u), sizeof *windows);
    for (uint32_t k = 0; k < count; ++k) {
        const uint8_t *one = data + 24 + 5u * k;
        memcpy(rows + 2u * k, one, 4);
        loads[k] = (int32_t)((one[0] | one[1] << 8 | (one[2] & 0x3F) << 16)) - 0x200000;
        missing[k] = one[4] > 230;
    }
    (void)probe_stance(settings, stance, filter, rows, loads, missing, count, answers, windows, count);
    free(rows);
    free(loads);
    free(missing);
    free(answers);
    free(windows);
}

static void fuzz_model(const uint8_t *data, size_t size)
{
#ifdef GRF_HEADER
    static int8_t input[GRF_ROWS_IN], output[GRF_ROWS_OUT];
    uint32_t *scratch = (uint32_t *)malloc(GRF_MODEL.scratch_bytes); /* of its exact size: sanitizers see the ends */
    memcpy(input, data, size < sizeof input ? size : sizeof input);
    memset(scratch, size > 0 ? data[0] : 0, GRF_MODEL.scratch_bytes);
    if (grf_model_run(&GRF_MODEL, input, output, scratch) != GRF_OK) {
        abort();
    }
    free(scratch);
#else
    (void)data;
    (void)size;
#endif
}

#ifdef GRF_HEADER
#define COLUMNS 64u

typedef struct {
    grf_channel_t columns[COLUMNS];
    uint8_t from[COLUMNS];
    grf_detect_settings_t contacts;
    grf_stance_settings_t buffer;
    grf_levels_settings_t levels;
    grf_lowpass_settings_t lowpass;
    grf_insole_settings_t insole;
    grf_point_t *points; /* of their exact sizes, as all memory below: sanitizers see the ends */
    grf_curve_t *curve;
} any_t;

/* Settings of an insole around the model: channels from anywhere, levels and a low-pass or none. */
static void any_insole(const uint8_t *data, any_t *any)
{
    uint32_t inputs = GRF_MODEL.inputs < COLUMNS ? GRF_MODEL.inputs : COLUMNS;
    int32_t filter[4];
    any_lowpass(data, filter);
    grf_detect_settings_t contacts = {(uint8_t)(data[9] & 3), 2, 5, 7, 38, 38, 1, 2, 4, 2, 64};
    grf_stance_settings_t buffer = {(uint16_t)(1u + data[19] % (inputs < 22u ? inputs : 22u)), (uint16_t)(8 + data[10]),
                                    GRF_MODEL.points, 1, 200, 3, contacts.smooth_shift};
    grf_levels_settings_t levels = {16, 3, 4, 2, 5, 1, 90, 40, (uint16_t)(1 + (data[11] & 3)), 8, 10000};
    grf_lowpass_settings_t lowpass = {filter[0], filter[1], (uint16_t)filter[2], data[12]};
    grf_insole_settings_t insole = {&GRF_MODEL, any->columns, any->from, &any->contacts, &any->buffer,
                                    data[13] & 1 ? &any->levels : 0, data[13] & 2 ? &any->lowpass : 0, 1, 25600, 100000, 7,
                                    data[13] >> 2 & 1, {2, 1, 0}, {0, 0, 0}, {1, 1, 1}, {1, 2, 3, 0, 0, 0, 0, 9}};
    for (uint32_t k = 0; k < 3u; ++k) {
        insole.column[k] = (uint8_t)(insole.column[k] % GRF_MODEL.outputs); /* models of one axis too */
    }
    any->points = (grf_point_t *)malloc(GRF_MODEL.points * sizeof *any->points);
    any->curve = (grf_curve_t *)malloc(3u * GRF_MODEL.points * sizeof *any->curve);
    for (uint32_t k = 0; k < GRF_MODEL.points; ++k) {
        any->points[k] = (grf_point_t){(int16_t)(data[k % 24u] << 8), (int16_t)(data[k % 23u] * 257 - 32768)};
        for (uint32_t a = 0; a < 3u; ++a) {
            any->curve[3u * k + a] = (grf_curve_t){(data[k % 22u] << 15) - (1 << 22), (data[k % 21u] << 22) - (1 << 29)};
        }
    }
    insole.curve = data[13] & 8 ? any->curve : 0;
    for (uint32_t k = 0; k < inputs; ++k) {
        grf_channel_t one = {data[14] - 128, (int32_t)(data[15] << 16) - (1 << 23), 18, (int8_t)data[16],
                             data[13] & 16 ? any->points : 0};
        any->columns[k] = one;
        any->from[k] = (uint8_t)(data[17] * (k + 1u) + k);
    }
    any->contacts = contacts;
    any->buffer = buffer;
    any->levels = levels;
    any->lowpass = lowpass;
    any->insole = insole;
}

static grf_insole_memory_t any_memory(const any_t *any)
{
    uint32_t points = GRF_MODEL.points;
    grf_insole_memory_t made = {0, 0, 0, 0, 0, 0, 0, 0};
    made.ring = (int16_t *)malloc(GRF_STANCE_RING_BYTES(any->buffer.channels, any->buffer.capacity));
    made.window = (int16_t *)malloc(2u * points * any->buffer.channels);
    made.input = (int8_t *)malloc(points * GRF_MODEL.inputs);
    made.answer = (int8_t *)malloc(points * GRF_MODEL.outputs);
    made.curve = (int8_t *)malloc(points * 3u);
    made.scratch = (uint32_t *)malloc(GRF_MODEL.scratch_bytes);
    made.lowest = (uint16_t *)malloc(2u * GRF_LEVELS_NUMBERS(16, any->levels.blocks, any->levels.lowest));
    made.work = (int32_t *)malloc(4u * GRF_LOWPASS_WORDS(any->buffer.capacity, any->lowpass.pad));
    return made;
}

static void free_memory(const grf_insole_memory_t *memory, const any_t *any)
{
    free(any->points);
    free(any->curve);
    free(memory->ring);
    free(memory->window);
    free(memory->input);
    free(memory->answer);
    free(memory->curve);
    free(memory->scratch);
    free(memory->lowest);
    free(memory->work);
}

/* Bytes that decide what the radio takes, one after the other. */
typedef struct {
    const uint8_t *data;
    size_t size, at;
} luck_t;

static int any_send(void *context, grf_characteristic_t characteristic, const uint8_t *value, size_t size)
{
    luck_t *luck = (luck_t *)context;
    uint8_t seen[GRF_PACKET_BYTES];
    (void)characteristic;
    if (size > sizeof seen) {
        abort();
    }
    memcpy(seen, value, size); /* sanitizers see that all of it is there */
    return luck->data[luck->at++ % luck->size] & 1;
}

static uint32_t any_now(void *context)
{
    return (uint32_t)((luck_t *)context)->at;
}

/* One thing that happens to an insole: a host writes, the link changes, samples come. */
static void happen(const grf_device_settings_t *settings, grf_device_t *device, const uint8_t *from)
{
    static const uint8_t start[4] = {GRF_START, GRF_STREAM_SENSOR | GRF_STREAM_STANCE, 100, 0};
    grf_sensor_t sample;
    switch (from[0] % 16u) {
    case 0:
        grf_device_written(settings, device, GRF_CONTROL_POINT, from + 2, from[1] % 9u, 7);
        break;
    case 1:
        grf_device_written(settings, device, GRF_TIME_SYNC, from + 2, from[1] % 2u ? 9u : from[1] % 12u, 7);
        break;
    case 2:
        grf_device_mtu(device, (uint16_t)(from[1] | from[2] << 8));
        break;
    case 3:
        grf_device_disconnected(settings, device);
        break;
    case 4:
        grf_device_written(settings, device, GRF_CONTROL_POINT, start, sizeof start, 7);
        grf_device_delivered(settings, device);
        break;
    case 5:
        (void)grf_device_work(settings, device);
        break;
    default:
        memcpy(&sample, from, sizeof sample);
        for (uint32_t c = 0; from[0] % 32u < 16u && c < GRF_CELLS; ++c) {
            sample.cells[c] = (uint16_t)(sample.cells[c] >> 9); /* flights among the loads */
        }
        for (uint32_t k = 0; k < 1u + from[1] % 40u; ++k) {
            (void)grf_device_sample(settings, device, from[2] > 250 ? 0 : &sample, k);
        }
    }
}

static void fuzz_device(const uint8_t *data, size_t size)
{
    any_t any;
    grf_device_t device;
    luck_t luck = {data, size, 0};
    if (size < 128) {
        return;
    }
    any_insole(data, &any);
    uint32_t bytes = GRF_STANCE_BYTES((uint32_t)GRF_MODEL.points, grf_axes_count(any.insole.axes));
    grf_device_memory_t memory = {any_memory(&any), (uint8_t *)malloc(bytes), (uint16_t)bytes,
                                  (uint16_t)(1u + data[20] % 20u), 0};
    memory.packet = (grf_packet_t *)malloc(memory.packets * sizeof *memory.packet);
    grf_device_settings_t settings = {{data[18] & 1, (uint8_t)(1 + data[21] % 16), 16, 2000, 200, 1, 100000},
                                      &any.insole, {&luck, any_send, any_now, 0, 0}};
    int ready = grf_device_start(&settings, &device, &memory);
    for (uint32_t k = 0; ready && k < 200u; ++k) {
        happen(&settings, &device, data + 22 + k * 7u % (size - 128u + 1u));
    }
    free_memory(&memory.insole, &any);
    free(memory.report);
    free(memory.packet);
}

static void fuzz_insole(const uint8_t *data, size_t size)
{
    any_t any;
    grf_insole_t insole;
    grf_sensor_t sample;
    grf_report_t report;
    if (size < 64) {
        return;
    }
    any_insole(data, &any);
    grf_insole_memory_t memory = any_memory(&any);
    int ready = grf_insole_start(&any.insole, &insole, &memory, data[18] & 1);
    insole.bw_per_n = data[18] & 2 ? 0.001f : 0.0f;
    for (uint32_t k = 0; ready && k < 300u; ++k) {
        const uint8_t *from = data + 20 + k * 7u % (size - 64u + 1u);
        memcpy(&sample, from, sizeof sample);
        for (uint32_t c = 0; k / 12u % 2u == 0 && c < GRF_CELLS; ++c) {
            sample.cells[c] = (uint16_t)(sample.cells[c] >> 9); /* flights among the loads */
        }
        if (grf_insole_take(&any.insole, &insole, from[0] > 250 ? 0 : &sample) || from[1] > 200) {
            (void)grf_insole_answer(&any.insole, &insole, &report);
        }
    }
    free_memory(&memory, &any);
}
#else
static void fuzz_device(const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
}

static void fuzz_insole(const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    fuzz_frame(data + 1, size - 1);
    switch (data[0] % 6) {
    case 0:
        fuzz_packet(data + 1, size - 1);
        break;
    case 1:
        fuzz_stance(data + 1, size - 1);
        break;
    case 2:
        fuzz_levels(data + 1, size - 1);
        break;
    case 3:
        fuzz_insole(data + 1, size - 1);
        break;
    case 4:
        fuzz_device(data + 1, size - 1);
        break;
    default:
        fuzz_model(data + 1, size - 1);
    }
    return 0;
}

#ifdef GRF_MUTATE
static uint32_t state = 12345u;

static uint32_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

int main(int count, char **arguments)
{
    static uint8_t data[8192];
    uint32_t rounds = count > 1 ? (uint32_t)strtoul(arguments[1], 0, 10) : 1000u;
    for (uint32_t k = 0; k < rounds; ++k) {
        size_t size = 1u + draw() % (k % 4u ? 400u : sizeof data - 1u);
        for (size_t b = 0; b < size; ++b) {
            data[b] = (uint8_t)draw();
        }
        if (k % 2u && size > 12u) {
            data[1] = (uint8_t)(0x10u | (1u + draw() % 3u)); /* a packet's first byte, so that some are packets */
            data[11] = (uint8_t)(1u + draw() % 4u);
            size = 13u + (data[1] == 0x11 ? 44u : (data[1] == 0x12 ? 10u : 1u)) * data[11] + (data[1] == 0x13) * 4u;
        }
        data[0] = (uint8_t)k;
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    printf("%lu rounds\n", (unsigned long)rounds);
    return 0;
}
#endif
