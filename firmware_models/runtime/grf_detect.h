/* Contacts from one load signal, sample by sample: the twin of grfkit.gait.causal.CausalContacts, event for event.
 *
 * The load is smoothed by a running sum, its unloaded and loaded levels are followed block by block, and the signal is
 * held against shares of the span between them: a contact has to reach the firm one, and a load that stays below it for
 * `linger` samples has left the ground, whatever presses on the foot in the air. Where cells creep, a foot seems to
 * stand until shortly before it lands: after a flight shorter than `swing`, toe-off is where the load fell below the
 * slack level, if that was more than `creep` before. Numbers stay within
 * 32 bits for samples within +-2^21. */
#ifndef GRF_DETECT_H
#define GRF_DETECT_H

#include <stdint.h>

#define GRF_MISSING INT32_MIN /* no sample came */
#define GRF_LARGEST 2097152   /* 2^21, counts */

typedef enum { GRF_IC = 1, GRF_TO = 2, GRF_LOST = 3 } grf_event_kind_t;

typedef struct {
    uint8_t smooth_shift; /* 0 to 3: 2^smooth_shift samples are summed */
    uint8_t block_shift, high_shift, low_shift;
    uint8_t on_q8, off_q8;             /* 1/256 of the span, below 64 */
    uint16_t confirm_on, confirm_off;  /* samples */
    uint32_t warmup, bridge;           /* samples */
    int32_t least_span;                /* counts */
    uint8_t firm_q8;                   /* 1/256 of the span, below 64; on_q8 where that is more */
    uint32_t linger;                   /* samples; 0: no load lingers */
    uint8_t slack_q6;                  /* 1/64 of the span, below 64; 0: no cells creep */
    uint32_t creep, swing;             /* samples */
} grf_detect_settings_t;

/* When: sample - 1 + fraction_q8 / 256; known at sample `emitted`. */
typedef struct {
    uint8_t kind; /* grf_event_kind_t */
    uint8_t fraction_q8;
    uint32_t sample, emitted;
} grf_event_t;

typedef struct {
    int32_t ring[8];
    int32_t sum, last; /* counts */
    int32_t block_low, block_high, low, high, on, off, firm, slack;
    uint32_t count, pushed, missing, above, below, firmly, loose; /* samples */
    uint32_t on_at, off_at, firm_at, loose_at, slack_at, left_at;
    uint8_t on_fraction, off_fraction, firm_fraction, loose_fraction, slack_fraction;
    uint8_t started, levelled, state, flight, slackened;
} grf_detect_t;

void grf_detect_start(grf_detect_t *detect);

/* 1: an event was written; 0: none; -1: the sample is beyond +-2^21, it counts as time and changes nothing else. */
int grf_detect_push(const grf_detect_settings_t *settings, grf_detect_t *detect, int32_t sample, grf_event_t *event);

#endif
