/* The last samples of all channels, and a stance cut out of them and resampled, in integers.
 *
 * Push every sample, then give the detector's load to grf_detect_push, then its event to grf_stance_take. A sample that
 * was missed repeats the one before it, as in the detector; a stance with more than `most_missed` of them is refused,
 * and one that the detector lost never ends. Samples missed before the first one only count as time. */
#ifndef GRF_STANCE_H
#define GRF_STANCE_H

#include "grf_detect.h"
#include "grf_lowpass.h"

typedef enum {
    GRF_STANCE_NONE = 0,      /* no stance ended with this event */
    GRF_STANCE_READY = 1,     /* the window was written */
    GRF_STANCE_SHORT = 2,     /* shorter than `shortest` */
    GRF_STANCE_LONG = 3,      /* longer than `longest`, or than the ring */
    GRF_STANCE_MISSED = 4,    /* more than `most_missed` samples were repeated */
    GRF_STANCE_LOST = 5       /* the detector lost the contact in a gap */
} grf_stance_result_t;

typedef struct {
    uint16_t channels;
    uint16_t capacity;     /* samples in the ring, 4 to 4096: the longest stance and the detector's delays */
    uint16_t points;       /* of the window, 2 or more; the first lies at contact, the last at toe off */
    uint16_t shortest;     /* samples */
    uint16_t longest;      /* samples */
    uint16_t most_missed;  /* samples */
    uint8_t smooth_shift;  /* of the detector, whose delay is taken off */
} grf_stance_settings_t;

/* Bytes of the ring: each row holds whether it was missed and then its channels. */
#define GRF_STANCE_RING_BYTES(channels, capacity) (2u * ((channels) + 1u) * (capacity))

typedef struct {
    int16_t *ring;
    uint32_t pushed; /* samples */
    grf_event_t contact;
    uint8_t started, inside;
} grf_stance_t;

typedef struct {
    uint32_t contact_q8;   /* contact time, samples in 1/256 */
    uint32_t first_sample; /* at or before initial contact */
    uint32_t age_q8;       /* from initial contact to the end of the newest sample, samples in 1/256 */
    uint16_t missed;       /* repeated samples within the stance */
} grf_stance_info_t;

/* 1: ready; 0: settings outside what is said above. */
int grf_stance_start(const grf_stance_settings_t *settings, grf_stance_t *stance, int16_t *ring);

/* A row of `channels` counts, or a null pointer where the sample was missed. */
void grf_stance_push(const grf_stance_settings_t *settings, grf_stance_t *stance, const int16_t *row);

/* What an event means; `window` takes points x channels counts when a stance is ready, a null pointer none. */
grf_stance_result_t grf_stance_take(const grf_stance_settings_t *settings, grf_stance_t *stance,
                                    const grf_event_t *event, int16_t *window, grf_stance_info_t *info);

/* Writes the low-passed channels of a window that was ready just now again, from all samples that are held; `work`
 * takes GRF_LOWPASS_WORDS(capacity, pad). */
void grf_stance_lowpass(const grf_stance_settings_t *settings, const grf_stance_t *stance,
                        const grf_stance_info_t *info, const grf_lowpass_settings_t *lowpass, int32_t *work,
                        int16_t *window);

#endif
