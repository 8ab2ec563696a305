#include "tcn_simulated_config.h"

const grf_channel_t grf_tcn_simulated_columns[GRF_TCN_SIMULATED_COLUMNS] = {
    {303, 988310647, 35, 27, 0}, /* 0 cell_01, 0.0001 relative per count */
    {321, 992434473, 35, 27, 0}, /* 1 cell_02, 0.0001 relative per count */
    {378, 988794049, 35, 27, 0}, /* 2 cell_03, 0.0001 relative per count */
    {341, 1047167536, 35, 27, 0}, /* 3 cell_04, 0.0001 relative per count */
    {364, 971279001, 35, 27, 0}, /* 4 cell_05, 0.0001 relative per count */
    {524, 1057893495, 35, 27, 0}, /* 5 cell_06, 0.0001 relative per count */
    {475, 965839888, 35, 27, 0}, /* 6 cell_07, 0.0001 relative per count */
    {595, 1048885558, 35, 27, 0}, /* 7 cell_08, 0.0001 relative per count */
    {489, 968714293, 35, 27, 0}, /* 8 cell_09, 0.0001 relative per count */
    {499, 1039035381, 35, 27, 0}, /* 9 cell_10, 0.0001 relative per count */
    {614, 572809073, 34, 27, 0}, /* 10 cell_11, 0.0001 relative per count */
    {497, 1014636121, 35, 27, 0}, /* 11 cell_12, 0.0001 relative per count */
    {531, 1044785690, 35, 27, 0}, /* 12 cell_13, 0.0001 relative per count */
    {469, 1069232086, 35, 27, 0}, /* 13 cell_14, 0.0001 relative per count */
    {427, 1066942660, 35, 27, 0}, /* 14 cell_15, 0.0001 relative per count */
    {361, 977875089, 35, 27, 0}, /* 15 cell_16, 0.0001 relative per count */
    {17, 732729357, 38, 27, 0}, /* 16 acc_x, 0.0047884 m/s^2 per count */
    {-41, 834112446, 37, 27, 0}, /* 17 acc_y, 0.0047884 m/s^2 per count, sign turned on a left foot */
    {495, 978981148, 39, 27, 0}, /* 18 acc_z, 0.0047884 m/s^2 per count */
    {-140, 994378915, 38, 27, 0}, /* 19 gyro_x, 0.00106526 rad/s per count, sign turned on a left foot */
    {-380, 641041579, 39, 27, 0}, /* 20 gyro_y, 0.00106526 rad/s per count */
    {62, 652348657, 37, 27, 0}, /* 21 gyro_z, 0.00106526 rad/s per count, sign turned on a left foot */
    {2596, 667138364, 35, 27, 0}, /* 22 static contact_s, 0.0001 s per count */
};

const grf_detect_settings_t grf_tcn_simulated_contacts = {
    .block_shift = 4, .bridge = 2, .confirm_off = 3, .confirm_on = 1, .creep = 12, .firm_q8 = 56, .high_shift = 5, .least_span = 64, .linger = 6, .low_shift = 7, .off_q8 = 38, .on_q8 = 38, .slack_q6 = 24, .smooth_shift = 0, .swing = 33, .warmup = 150
};

const grf_stance_settings_t grf_tcn_simulated_buffer = {
    .capacity = 63, .channels = 22, .longest = 50, .most_missed = 2, .points = 101, .shortest = 8, .smooth_shift = 0
};

const float grf_tcn_simulated_centre[GRF_TCN_SIMULATED_AXES] = {1.46604943f, 0.0112966001f, 0.0348396711f};
const float grf_tcn_simulated_size[GRF_TCN_SIMULATED_AXES] = {1.57169747f, 0.587698638f, 0.0764576271f};

const grf_levels_settings_t grf_tcn_simulated_levels = {
    .block_rows = 50, .blocks = 6, .cells = 16, .every = 10, .faint_percent = 40, .greater_percent = 90, .least_steps = 3, .lowest = 7, .steps = 25, .units = 10000, .unloaded_percent = 2
};

static const uint8_t from[GRF_TCN_SIMULATED_COLUMNS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 145, 18, 147, 20, 149, 32};

const grf_insole_settings_t grf_tcn_simulated_insole = {
    &grf_tcn_simulated, grf_tcn_simulated_columns, from, &grf_tcn_simulated_contacts, &grf_tcn_simulated_buffer,
    &grf_tcn_simulated_levels, 0,
    GRF_TCN_SIMULATED_MODEL_ID, 25600u, GRF_TCN_SIMULATED_RATE_MHZ, 7, 0,
    {1, 2, 0}, {0.0349278376f, 0.0379140154f, 1.52924705f}, {0.0059078089f, 0.000768586237f, 0.0157994051f},
    {0, 0, 0, 0, 0, 0, 0, 0}, 0};

grf_insole_memory_t grf_tcn_simulated_memory(grf_tcn_simulated_memory_t *memory)
{
    grf_insole_memory_t made = {memory->ring, memory->window, memory->input, memory->answer, memory->curve,
                                memory->scratch, memory->lowest, 0};
    return made;
}
