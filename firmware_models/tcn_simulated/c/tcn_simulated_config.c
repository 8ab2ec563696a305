#include "tcn_simulated_config.h"

const grf_channel_t grf_tcn_simulated_columns[GRF_TCN_SIMULATED_COLUMNS] = {
    {300, 1032157774, 35, 28, 0}, /* 0 cell_01, 0.0001 relative per count */
    {318, 1002112207, 35, 28, 0}, /* 1 cell_02, 0.0001 relative per count */
    {371, 986113468, 35, 28, 0}, /* 2 cell_03, 0.0001 relative per count */
    {417, 550171303, 34, 28, 0}, /* 3 cell_04, 0.0001 relative per count */
    {433, 537992962, 34, 28, 0}, /* 4 cell_05, 0.0001 relative per count */
    {490, 555129445, 34, 28, 0}, /* 5 cell_06, 0.0001 relative per count */
    {451, 548691296, 34, 28, 0}, /* 6 cell_07, 0.0001 relative per count */
    {581, 543665168, 34, 28, 0}, /* 7 cell_08, 0.0001 relative per count */
    {476, 1043923177, 35, 28, 0}, /* 8 cell_09, 0.0001 relative per count */
    {499, 1040394579, 35, 28, 0}, /* 9 cell_10, 0.0001 relative per count */
    {617, 565286081, 34, 28, 0}, /* 10 cell_11, 0.0001 relative per count */
    {504, 963263977, 35, 28, 0}, /* 11 cell_12, 0.0001 relative per count */
    {554, 1016227857, 35, 28, 0}, /* 12 cell_13, 0.0001 relative per count */
    {383, 1010226371, 35, 28, 0}, /* 13 cell_14, 0.0001 relative per count */
    {339, 1061573641, 35, 28, 0}, /* 14 cell_15, 0.0001 relative per count */
    {359, 1033914931, 35, 28, 0}, /* 15 cell_16, 0.0001 relative per count */
    {37, 750626351, 38, 28, 0}, /* 16 acc_x, 0.0047884 m/s^2 per count */
    {-31, 837107933, 37, 28, 0}, /* 17 acc_y, 0.0047884 m/s^2 per count, sign turned on a left foot */
    {453, 988925903, 39, 28, 0}, /* 18 acc_z, 0.0047884 m/s^2 per count */
    {-196, 993919071, 38, 28, 0}, /* 19 gyro_x, 0.00106526 rad/s per count, sign turned on a left foot */
    {-493, 667542604, 39, 28, 0}, /* 20 gyro_y, 0.00106526 rad/s per count */
    {29, 663138872, 37, 28, 0}, /* 21 gyro_z, 0.00106526 rad/s per count, sign turned on a left foot */
    {2660, 610248372, 35, 28, 0}, /* 22 static contact_s, 0.0001 s per count */
};

const grf_detect_settings_t grf_tcn_simulated_contacts = {
    .block_shift = 4, .bridge = 2, .confirm_off = 3, .confirm_on = 1, .high_shift = 5, .least_span = 64, .low_shift = 7, .off_q8 = 38, .on_q8 = 38, .smooth_shift = 0, .warmup = 150
};

const grf_stance_settings_t grf_tcn_simulated_buffer = {
    .capacity = 63, .channels = 22, .longest = 50, .most_missed = 2, .points = 101, .shortest = 8, .smooth_shift = 0
};

const float grf_tcn_simulated_centre[GRF_TCN_SIMULATED_AXES] = {1.45388794f, 0.0349185728f, 0.0355380476f};
const float grf_tcn_simulated_size[GRF_TCN_SIMULATED_AXES] = {1.49944997f, 0.566289604f, 0.0758121088f};

const grf_levels_settings_t grf_tcn_simulated_levels = {
    .block_rows = 50, .blocks = 6, .cells = 16, .every = 10, .faint_percent = 40, .greater_percent = 90, .least_steps = 3, .lowest = 7, .steps = 25, .units = 10000, .unloaded_percent = 2
};

static const uint8_t from[GRF_TCN_SIMULATED_COLUMNS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 145, 18, 147, 20, 149, 32};

const grf_insole_settings_t grf_tcn_simulated_insole = {
    &grf_tcn_simulated, grf_tcn_simulated_columns, from, &grf_tcn_simulated_contacts, &grf_tcn_simulated_buffer,
    &grf_tcn_simulated_levels, 0,
    GRF_TCN_SIMULATED_MODEL_ID, 25600u, GRF_TCN_SIMULATED_RATE_MHZ, 7, 0,
    {1, 2, 0}, {0.0291435365f, 0.034764912f, 1.43859661f}, {0.00577503676f, 0.000773133943f, 0.015291431f},
    {0, 0, 0, 0, 0, 0, 0, 0}, 0};

grf_insole_memory_t grf_tcn_simulated_memory(grf_tcn_simulated_memory_t *memory)
{
    grf_insole_memory_t made = {memory->ring, memory->window, memory->input, memory->answer, memory->curve,
                                memory->scratch, memory->lowest, 0};
    return made;
}
