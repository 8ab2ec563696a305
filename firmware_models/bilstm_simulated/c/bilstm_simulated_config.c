#include "bilstm_simulated_config.h"

const grf_channel_t grf_bilstm_simulated_columns[GRF_BILSTM_SIMULATED_COLUMNS] = {
    {300, 670902464, 34, 28}, /* 0 cell_01, 0.0001 relative per count */
    {318, 651372848, 34, 28}, /* 1 cell_02, 0.0001 relative per count */
    {371, 640973669, 34, 28}, /* 2 cell_03, 0.0001 relative per count */
    {417, 715222599, 34, 28}, /* 3 cell_04, 0.0001 relative per count */
    {433, 699390758, 34, 28}, /* 4 cell_05, 0.0001 relative per count */
    {490, 721668183, 34, 28}, /* 5 cell_06, 0.0001 relative per count */
    {451, 713298590, 34, 28}, /* 6 cell_07, 0.0001 relative per count */
    {581, 706764624, 34, 28}, /* 7 cell_08, 0.0001 relative per count */
    {476, 678549975, 34, 28}, /* 8 cell_09, 0.0001 relative per count */
    {499, 676256387, 34, 28}, /* 9 cell_10, 0.0001 relative per count */
    {617, 734871807, 34, 28}, /* 10 cell_11, 0.0001 relative per count */
    {504, 626121502, 34, 28}, /* 11 cell_12, 0.0001 relative per count */
    {554, 660548019, 34, 28}, /* 12 cell_13, 0.0001 relative per count */
    {383, 656647054, 34, 28}, /* 13 cell_14, 0.0001 relative per count */
    {339, 690022775, 34, 28}, /* 14 cell_15, 0.0001 relative per count */
    {359, 672044616, 34, 28}, /* 15 cell_16, 0.0001 relative per count */
    {37, 975814127, 38, 28}, /* 16 acc_x, 0.0047884 m/s^2 per count */
    {-31, 544120084, 36, 28}, /* 17 acc_y, 0.0047884 m/s^2 per count, sign turned on a left foot */
    {453, 642801752, 38, 28}, /* 18 acc_z, 0.0047884 m/s^2 per count */
    {-196, 646047311, 37, 28}, /* 19 gyro_x, 0.00106526 rad/s per count, sign turned on a left foot */
    {-493, 867805270, 39, 28}, /* 20 gyro_y, 0.00106526 rad/s per count */
    {29, 862080419, 37, 28}, /* 21 gyro_z, 0.00106526 rad/s per count, sign turned on a left foot */
    {2660, 793322778, 35, 28}, /* 22 static contact_s, 0.0001 s per count */
};

const grf_detect_settings_t grf_bilstm_simulated_contacts = {
    .smooth_shift = 0, .block_shift = 4, .high_shift = 5, .low_shift = 7, .on_q8 = 38, .off_q8 = 38, .confirm_on = 1, .confirm_off = 3, .warmup = 150, .bridge = 2, .least_span = 64
};

const grf_stance_settings_t grf_bilstm_simulated_buffer = {
    .channels = 22, .capacity = 63, .points = 101, .shortest = 8, .longest = 50, .most_missed = 2, .smooth_shift = 0
};

const float grf_bilstm_simulated_centre[GRF_BILSTM_SIMULATED_AXES] = {1.53252745f, 0.00613123924f, 0.0333577506f};
const float grf_bilstm_simulated_size[GRF_BILSTM_SIMULATED_AXES] = {1.56134522f, 0.593147516f, 0.0731623769f};

const grf_levels_settings_t grf_bilstm_simulated_levels = {
    .cells = 16, .blocks = 6, .lowest = 7, .unloaded_percent = 2, .steps = 25, .least_steps = 3, .greater_percent = 90, .faint_percent = 40, .every = 10, .block_rows = 50, .units = 10000
};

static const uint8_t from[GRF_BILSTM_SIMULATED_COLUMNS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 145, 18, 147, 20, 149, 32};

const grf_insole_settings_t grf_bilstm_simulated_insole = {
    &grf_bilstm_simulated, grf_bilstm_simulated_columns, from, &grf_bilstm_simulated_contacts, &grf_bilstm_simulated_buffer,
    &grf_bilstm_simulated_levels, 0,
    GRF_BILSTM_SIMULATED_MODEL_ID, 25600u, 7, 0,
    {1, 2, 0}, {-0.00617916789f, 0.0318393111f, 1.50012267f}, {0.00615520356f, 0.000759219751f, 0.0162023734f}};

grf_insole_memory_t grf_bilstm_simulated_memory(grf_bilstm_simulated_memory_t *memory)
{
    grf_insole_memory_t made = {memory->ring, memory->window, memory->input, memory->answer, memory->curve,
                                memory->scratch, memory->lowest, 0};
    return made;
}
