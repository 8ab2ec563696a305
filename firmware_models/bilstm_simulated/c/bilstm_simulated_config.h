/* Settings of bilstm_simulated: counts to int8, contacts, stance buffer, forces. See manifest.json. */
#ifndef GRF_BILSTM_SIMULATED_CONFIG_H
#define GRF_BILSTM_SIMULATED_CONFIG_H

#include "bilstm_simulated.h"
#include "grf_insole.h"

#define GRF_BILSTM_SIMULATED_MODEL_ID 0x0054678du /* CRC-32 of model.tflite */
#define GRF_BILSTM_SIMULATED_COLUMNS 23
#define GRF_BILSTM_SIMULATED_CHANNELS 22
#define GRF_BILSTM_SIMULATED_AXES 3 /* vgrf, apgrf, mlgrf */
#define GRF_BILSTM_SIMULATED_RATE_HZ 100.0f
#define GRF_BILSTM_SIMULATED_RATE_MHZ 100000u /* of the samples, 0.001 Hz */

extern const grf_channel_t grf_bilstm_simulated_columns[GRF_BILSTM_SIMULATED_COLUMNS];
extern const grf_detect_settings_t grf_bilstm_simulated_contacts;
extern const grf_stance_settings_t grf_bilstm_simulated_buffer;

/* Force of an axis, BW: centre + size * scale * (stored - zero). */
extern const float grf_bilstm_simulated_centre[GRF_BILSTM_SIMULATED_AXES], grf_bilstm_simulated_size[GRF_BILSTM_SIMULATED_AXES];

/* Cells are relative, in 1/10000: minus percentile 2 of the last 30 s (a row in
 * 10 is looked at), over the median of what all cells together say at the peaks of the last 25 contacts.
 * Nothing is answered before 3; a contact below 40 % of percentile 90 of the peaks is no step. */
extern const grf_levels_settings_t grf_bilstm_simulated_levels;
extern const grf_insole_settings_t grf_bilstm_simulated_insole; /* for grf_insole_take, 100 Hz */

/* RAM that the way from samples to packets needs, beside a grf_insole_t. */
typedef struct {
    uint32_t scratch[GRF_BILSTM_SIMULATED_SCRATCH_WORDS];
    int16_t ring[GRF_STANCE_RING_BYTES(22, 63) / 2];
    int16_t window[101 * 22];
    uint16_t lowest[GRF_LEVELS_NUMBERS(16, 6, 7)];
    int8_t input[101 * 23];
    int8_t answer[101 * 3];
    int8_t curve[101 * 3];
} grf_bilstm_simulated_memory_t;

grf_insole_memory_t grf_bilstm_simulated_memory(grf_bilstm_simulated_memory_t *memory);
#define GRF_BILSTM_SIMULATED_REPORT_BYTES GRF_STANCE_BYTES(101, 3)

#endif
