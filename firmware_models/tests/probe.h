/* The runtime's parts as functions over arrays, for tests and fuzzers on the host. */
#ifndef GRF_PROBE_H
#define GRF_PROBE_H

#include <stddef.h>
#include <stdint.h>

void probe_sigmoid(const int16_t *x, int16_t *y, uint32_t count);

/* power: what the last bit of the state is worth. */
void probe_tanh(const int16_t *x, int16_t *y, uint32_t count, int32_t power);
void probe_rescale(const int32_t *x, int32_t *y, uint32_t count, int32_t multiplier, int32_t up, int32_t right);

/* settings: the detector's eleven in the order of CausalSettings; events: kind, fraction, sample, emitted each. */
int32_t probe_detect(const int32_t *settings, const int32_t *samples, uint32_t count, uint32_t *events,
                     uint32_t room);

/* stance: seven settings in the order of grf_stance_settings_t; filter: four of grf_lowpass_settings_t, channels 0 for
 * none. Each event answers five numbers (result, contact_q8, first_sample, missed, age_q8) and a window. Rows with
 * missing[k] != 0 were missed, as were their loads. */
int32_t probe_stance(const int32_t *settings, const int32_t *stance, const int32_t *filter, const int16_t *rows,
                     const int32_t *loads, const uint8_t *missing, uint32_t count, uint32_t *answers,
                     int16_t *windows, uint32_t room);

/* Samples in 1/4096 counts, in place. */
void probe_lowpass(const int32_t *filter, int32_t *samples, uint32_t count);

/* settings: eleven in the order of grf_levels_settings_t; cells: count x settings->cells; events: 0 or kind + 4 result
 * after each row. Each event answers 36 numbers: step, known, multiplier, shift, 16 levels, 16 relative counts. -1 for
 * settings that cannot be. */
int32_t probe_levels(const int32_t *settings, const uint16_t *cells, const uint8_t *events, uint32_t count,
                     int64_t *answers);

/* channels: offset, multiplier, shift, zero each. */
void probe_input(const int32_t *channels, uint32_t count, const int16_t *raw, uint32_t rows, int8_t *to);
void probe_input_unsigned(const int32_t *channels, uint32_t count, const uint16_t *raw, uint32_t rows, int8_t *to);

/* Decodes a packet as all it may be and encodes it again: 1 where the same bytes came out, 0 for no packet, -1 for
 * other bytes. */
int32_t probe_packet(const uint8_t *from, size_t size, uint8_t *to, size_t room);

/* A packet of samples as rows of int32: 16 cells and 6 IMU channels, or five numbers. head: type, flags, sequence,
 * time, counter, count, cfg_id. */
int32_t probe_samples(const uint32_t *head, const int32_t *rows, uint8_t *to, size_t room);

/* The report of curves, cut into packets of `room` bytes, one after the other in `to`; answers their bytes. */
int32_t probe_report(uint32_t model_id, uint32_t contact_100us, uint32_t points, uint32_t axes, uint32_t missed,
                     const float *offset_bw, const float *scale_bw, const int8_t *curve, uint32_t room, uint8_t *to);

#endif
