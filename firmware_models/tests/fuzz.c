/* Whatever comes in: windows, samples and packets made of any bytes. Built with libFuzzer where clang has it, else with
 * GRF_MUTATE as a program of its own that mutates from a fixed seed; sanitizers say what went wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grf_frame.h"
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

/* The first bytes are settings within their ranges, the rest samples. */
static void fuzz_stance(const uint8_t *data, size_t size)
{
    if (size < 24) {
        return;
    }
    int32_t settings[11] = {data[0] & 3, 1 + (data[1] & 7), data[2] & 15,     data[3] & 15, 1 + (data[4] & 31), 0,
                            1 + (data[5] & 7), 1 + (data[6] & 7), data[7], data[8] & 31, 1 + data[9]};
    int32_t stance[7] = {2, 4 + data[10], 2 + data[11], data[12], data[13], data[14], settings[0]};
    uint32_t count = (uint32_t)(size - 24) / 5;
    static const int32_t unfiltered[4] = {0, 0, 0, 0};
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
    (void)probe_stance(settings, stance, unfiltered, rows, loads, missing, count, answers, windows, count);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    fuzz_frame(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        fuzz_packet(data + 1, size - 1);
        break;
    case 1:
        fuzz_stance(data + 1, size - 1);
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
