/* Golden windows of tcn_simulated through the runtime: counts to int8, the model, and the force of each axis. With
 * GRF_GOLDEN_MAIN it is a program; without, whoever links it calls grf_tcn_simulated_golden: 0 where every byte is equal. */
#include <stdio.h>
#include <string.h>

#include "tcn_simulated.h"
#include "tcn_simulated_config.h"
#include "tcn_simulated_golden.h"
#include "tcn_simulated_golden_foot.h"

#define INPUTS (GRF_TCN_SIMULATED_GOLDEN_POINTS * GRF_TCN_SIMULATED_GOLDEN_COLUMNS)
#define OUTPUTS (GRF_TCN_SIMULATED_GOLDEN_POINTS * GRF_TCN_SIMULATED_GOLDEN_AXES)

static uint32_t scratch[GRF_TCN_SIMULATED_SCRATCH_WORDS];
static int8_t window[INPUTS], answer[OUTPUTS];

static int forces_differ(const float *golden)
{
    for (uint32_t k = 0; k < OUTPUTS; ++k) {
        uint32_t axis = k % GRF_TCN_SIMULATED_GOLDEN_AXES;
        float real = GRF_TCN_SIMULATED_OUTPUT_SCALE * (float)(answer[k] - GRF_TCN_SIMULATED_OUTPUT_ZERO);
        float off = grf_tcn_simulated_centre[axis] + grf_tcn_simulated_size[axis] * real - golden[k];
        float most = 1e-5f * (1.0f + (golden[k] < 0.0f ? -golden[k] : golden[k]));
        if (off > most || off < -most) {
            return 1;
        }
    }
    return 0;
}

static const char *wrong(uint32_t k)
{
    grf_input_signed(grf_tcn_simulated_golden_raw[k], grf_tcn_simulated_columns, GRF_TCN_SIMULATED_GOLDEN_COLUMNS, GRF_TCN_SIMULATED_GOLDEN_POINTS, window);
    if (memcmp(window, grf_tcn_simulated_golden_input[k], INPUTS) != 0) {
        return "int8 in";
    }
    if (grf_model_run(&grf_tcn_simulated, window, answer, scratch) != GRF_OK) {
        return "the call";
    }
    if (memcmp(answer, grf_tcn_simulated_golden_output[k], OUTPUTS) != 0) {
        return "int8 out";
    }
    return forces_differ(grf_tcn_simulated_golden_force[k]) ? "force" : NULL;
}

static grf_tcn_simulated_memory_t memory;
static grf_insole_t insole;
static grf_sensor_t sample;
static grf_report_t report;

static uint32_t hash_of_input(void)
{
    uint32_t made = 2166136261u;
    for (uint32_t k = 0; k < sizeof memory.input; ++k) {
        made = (made ^ (uint8_t)memory.input[k]) * 16777619u;
    }
    return made;
}

static const char *wrong_foot(void)
{
    grf_insole_memory_t given = grf_tcn_simulated_memory(&memory);
    uint32_t found = 0;
    if (!grf_insole_start(&grf_tcn_simulated_insole, &insole, &given, 1)) {
        return "the start";
    }
    for (uint32_t k = 0; k < GRF_TCN_SIMULATED_FOOT_SAMPLES; ++k) {
        int there = grf_tcn_simulated_golden_foot(k, &sample);
        if (!grf_insole_push(&grf_tcn_simulated_insole, &insole, there ? &sample : NULL, &report)) {
            continue;
        }
        if (found == GRF_TCN_SIMULATED_FOOT_STANCES || hash_of_input() != grf_tcn_simulated_golden_foot_input[found]) {
            return "int8 in";
        }
        if (memcmp(memory.answer, grf_tcn_simulated_golden_foot_output[found], sizeof memory.answer) != 0 ||
            report.contact_100us != grf_tcn_simulated_golden_foot_contact[found]) {
            return "int8 out";
        }
        ++found;
    }
    return found == GRF_TCN_SIMULATED_FOOT_STANCES ? NULL : "how many stances there are";
}

int grf_tcn_simulated_golden(void);

int grf_tcn_simulated_golden(void)
{
    for (uint32_t k = 0; k < GRF_TCN_SIMULATED_GOLDEN_WINDOWS; ++k) {
        const char *what = wrong(k);
        if (what != NULL) {
            printf("tcn_simulated: golden window %lu: %s differs\n", (unsigned long)k, what);
            return 1;
        }
    }
    const char *off = wrong_foot();
    if (off != NULL) {
        printf("tcn_simulated: the made-up foot: %s differs\n", off);
        return 1;
    }
    printf("tcn_simulated: %lu stances of the made-up foot, every byte equal\n", (unsigned long)GRF_TCN_SIMULATED_FOOT_STANCES);
    printf("tcn_simulated: %lu golden windows, every byte equal\n", (unsigned long)GRF_TCN_SIMULATED_GOLDEN_WINDOWS);
    return 0;
}

#ifdef GRF_GOLDEN_MAIN
int main(void)
{
    return grf_tcn_simulated_golden();
}
#endif
