#include "grf_stance.h"

#include <string.h>

int grf_stance_start(const grf_stance_settings_t *settings, grf_stance_t *stance, int16_t *ring)
{
    memset(stance, 0, sizeof *stance);
    stance->ring = ring;
    return ring != 0 && settings->channels > 0 && settings->capacity >= 4 && settings->capacity <= 4096 &&
           settings->points >= 2 && settings->smooth_shift <= 3;
}

static int16_t *slot(const grf_stance_settings_t *settings, const grf_stance_t *stance, uint32_t sample)
{
    return stance->ring + (size_t)(sample % settings->capacity) * (settings->channels + 1u);
}

void grf_stance_push(const grf_stance_settings_t *settings, grf_stance_t *stance, const int16_t *row)
{
    int16_t *to = slot(settings, stance, stance->pushed);
    size_t size = settings->channels * sizeof *to;
    to[0] = row == 0;
    if (row != 0) {
        memcpy(to + 1, row, size);
    } else if (stance->started) {
        memcpy(to + 1, slot(settings, stance, stance->pushed - 1u) + 1, size);
    } else {
        memset(to + 1, 0, size);
    }
    stance->started = (uint8_t)(stance->started || row != 0);
    ++stance->pushed;
}

/* How long before the end of the newest sample an event lies, in 1/256 samples, the smoothing's delay taken off. */
static uint32_t age(const grf_stance_settings_t *settings, const grf_stance_t *stance, const grf_event_t *event)
{
    uint32_t delay = ((1u << settings->smooth_shift) - 1u) * 128u;
    return (stance->pushed - event->sample + 1u) * 256u - event->fraction_q8 + delay;
}

static uint16_t missed_between(const grf_stance_settings_t *settings, const grf_stance_t *stance, uint32_t from,
                               uint32_t to)
{
    uint16_t count = 0;
    for (uint32_t back = from; back >= to && back > 0; --back) {
        count = (uint16_t)(count + (slot(settings, stance, stance->pushed - back)[0] != 0));
    }
    return count;
}

/* Where point k of a window lies between two samples: how many samples back the first of them is, and the share of the
 * second in 1/65536. */
typedef struct {
    uint32_t whole;
    int64_t share;
} place_t;

static place_t place_of(const grf_stance_settings_t *settings, uint32_t from, uint32_t contact_q8, uint32_t k)
{
    uint32_t steps = settings->points - 1u;
    uint32_t passed = (uint32_t)(((uint64_t)contact_q8 * 256u * k + steps / 2u) / steps);
    uint32_t back = from * 256u - passed; /* in 1/65536 samples */
    uint32_t whole = (back + 0xFFFFu) >> 16;
    place_t place = {whole, (int64_t)(whole << 16) - back};
    return place;
}

/* The window's rows from an age on, linear between two samples, rounded half up. */
static void resample(const grf_stance_settings_t *settings, const grf_stance_t *stance, uint32_t from,
                     uint32_t contact_q8, int16_t *window)
{
    for (uint32_t k = 0; k < settings->points; ++k) {
        place_t at = place_of(settings, from, contact_q8, k);
        const int16_t *a = slot(settings, stance, stance->pushed - at.whole) + 1;
        const int16_t *b = slot(settings, stance, stance->pushed - at.whole + 1u) + 1;
        for (uint32_t c = 0; c < settings->channels; ++c) {
            *window++ = (int16_t)(a[c] + (((b[c] - a[c]) * at.share + 0x8000) >> 16));
        }
    }
}

static uint32_t held(const grf_stance_settings_t *settings, const grf_stance_t *stance)
{
    return stance->pushed < settings->capacity ? stance->pushed : settings->capacity;
}

static void lowpass_channel(const grf_stance_settings_t *settings, const grf_stance_t *stance,
                            const grf_stance_info_t *info, uint32_t channel, const int32_t *work, int16_t *window)
{
    const int32_t *end = work + held(settings, stance);
    for (uint32_t k = 0; k < settings->points; ++k) {
        place_t at = place_of(settings, info->age_q8, info->contact_q8, k);
        int64_t a = end[-(int32_t)at.whole], b = end[1 - (int32_t)at.whole];
        int64_t value = (a * 65536 + (b - a) * at.share + ((int64_t)1 << 27)) >> 28;
        window[k * settings->channels + channel] =
            (int16_t)(value > 32767 ? 32767 : (value < -32768 ? -32768 : value));
    }
}

void grf_stance_lowpass(const grf_stance_settings_t *settings, const grf_stance_t *stance,
                        const grf_stance_info_t *info, const grf_lowpass_settings_t *lowpass, int32_t *work,
                        int16_t *window)
{
    uint32_t count = held(settings, stance);
    for (uint32_t c = 0; c < settings->channels && c < 32u; ++c) {
        if ((lowpass->channels >> c & 1u) == 0) {
            continue;
        }
        for (uint32_t k = 0; k < count; ++k) {
            work[k] = slot(settings, stance, stance->pushed - count + k)[c + 1u] * (1 << GRF_LOWPASS_FRACTION);
        }
        grf_lowpass(lowpass, work, count);
        lowpass_channel(settings, stance, info, c, work, window);
    }
}

static grf_stance_result_t end_stance(const grf_stance_settings_t *settings, const grf_stance_t *stance,
                                      const grf_event_t *event, int16_t *window, grf_stance_info_t *info)
{
    uint32_t sample_age = stance->pushed - stance->contact.sample;
    uint32_t from = sample_age < 8192u ? age(settings, stance, &stance->contact) : UINT32_MAX;
    uint32_t to = age(settings, stance, event);
    if (from > held(settings, stance) * 256u || to > from || from - to > settings->longest * 256u) {
        return GRF_STANCE_LONG;
    }
    info->contact_q8 = from - to;
    info->age_q8 = from;
    info->first_sample = stance->pushed - ((from + 255u) >> 8);
    info->missed = missed_between(settings, stance, (from + 255u) >> 8, to >> 8);
    if (info->contact_q8 < settings->shortest * 256u) {
        return GRF_STANCE_SHORT;
    }
    if (info->missed > settings->most_missed) {
        return GRF_STANCE_MISSED;
    }
    if (window != 0) {
        resample(settings, stance, from, from - to, window);
    }
    return GRF_STANCE_READY;
}

grf_stance_result_t grf_stance_take(const grf_stance_settings_t *settings, grf_stance_t *stance,
                                    const grf_event_t *event, int16_t *window, grf_stance_info_t *info)
{
    uint8_t inside = stance->inside;
    stance->inside = event->kind == GRF_IC;
    if (event->kind == GRF_IC) {
        stance->contact = *event;
        return GRF_STANCE_NONE;
    }
    if (!inside) {
        return GRF_STANCE_NONE;
    }
    return event->kind == GRF_TO ? end_stance(settings, stance, event, window, info) : GRF_STANCE_LOST;
}
