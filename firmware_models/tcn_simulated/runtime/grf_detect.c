#include "grf_detect.h"

#include <string.h>

enum { SEEKING = 0, FLIGHT = 1, CONTACT = 2 };
/* the flight before or in a contact: not seen, seen from its begin, or shorter than a leg swings */
enum { UNSEEN = 0, SEEN = 1, SHORT = 2 };
/* the load: above the slack level, below since it fell there in this contact, or since before it */
enum { ABOVE = 0, FALLEN = 1, EARLIER = 2 };

void grf_detect_start(grf_detect_t *detect)
{
    memset(detect, 0, sizeof *detect);
    detect->on = INT32_MAX;
    detect->off = -INT32_MAX;
    detect->firm = INT32_MAX;
    detect->slack = -INT32_MAX;
}

/* Where between two values a level lies, in 1/256; 0 where it was passed before. */
static uint8_t crossing(int32_t before, int32_t now, int32_t level)
{
    int32_t rest = now > before ? level - before : before - level;
    int32_t whole = now > before ? now - before : before - now;
    uint32_t share = 0;
    if (rest <= 0) {
        return 0;
    }
    if (rest >= whole) {
        return 255;
    }
    for (uint32_t k = 0; k < 8; ++k) {
        rest *= 2;
        share <<= 1;
        if (rest >= whole) {
            rest -= whole;
            share |= 1u;
        }
    }
    return (uint8_t)share;
}

/* Takes a sample into the running sum; returns the sum before. */
static int32_t smooth(const grf_detect_settings_t *settings, grf_detect_t *detect, int32_t value)
{
    uint32_t size = 1u << settings->smooth_shift;
    if (!detect->started) {
        for (uint32_t k = 0; k < size; ++k) {
            detect->ring[k] = value;
        }
        detect->sum = value * (int32_t)size;
        detect->block_low = detect->block_high = detect->sum;
        detect->started = 1;
    }
    int32_t before = detect->sum;
    int32_t *slot = &detect->ring[detect->count & (size - 1u)];
    detect->sum += value - *slot;
    *slot = value;
    detect->last = value;
    return before;
}

static int tell(grf_event_t *event, uint8_t kind, uint8_t fraction, uint32_t sample, uint32_t now)
{
    event->kind = kind;
    event->fraction_q8 = fraction;
    event->sample = sample;
    event->emitted = now;
    return 1;
}

static int lose(grf_detect_t *detect, uint32_t now, grf_event_t *event)
{
    uint8_t was = detect->state;
    detect->above = detect->below = detect->firmly = detect->loose = 0;
    detect->state = SEEKING;
    detect->flight = UNSEEN;
    detect->slackened = ABOVE;
    return was == CONTACT ? tell(event, GRF_LOST, 0, now, now) : 0;
}

/* Counts for how long the load has been beyond each threshold, and keeps where it passed it. */
static void compare(grf_detect_t *detect, int32_t before, uint32_t now)
{
    int32_t sum = detect->sum;
    detect->above = sum > detect->on ? detect->above + 1u : 0u;
    detect->below = sum < detect->off ? detect->below + 1u : 0u;
    detect->firmly = sum > detect->firm ? detect->firmly + 1u : 0u;
    detect->loose = sum < detect->firm && detect->firm != INT32_MAX ? detect->loose + 1u : 0u;
    if (detect->above == 1u) {
        detect->on_fraction = crossing(before, sum, detect->on);
        detect->on_at = now;
    }
    if (detect->below == 1u) {
        detect->off_fraction = crossing(before, sum, detect->off);
        detect->off_at = now;
    }
    if (detect->firmly == 1u) {
        detect->firm_fraction = crossing(before, sum, detect->firm);
        detect->firm_at = now;
    }
    if (detect->loose == 1u) {
        detect->loose_fraction = crossing(before, sum, detect->firm);
        detect->loose_at = now;
    }
    if (sum >= detect->slack) {
        detect->slackened = ABOVE;
    } else if (detect->slackened == ABOVE) {
        detect->slackened = FALLEN;
        detect->slack_fraction = crossing(before, sum, detect->slack);
        detect->slack_at = now;
    }
}

/* Begins a contact. */
static int land(const grf_detect_settings_t *settings, grf_detect_t *detect, uint32_t now, grf_event_t *event)
{
    int quick = detect->firm_at - detect->on_at <= 2u * settings->linger;
    uint32_t at = quick ? detect->on_at : detect->firm_at;
    detect->state = CONTACT;
    detect->flight = detect->flight == SEEN && at < detect->left_at + settings->swing ? SHORT : UNSEEN;
    if (detect->slackened != ABOVE) {
        detect->slackened = EARLIER;
    }
    return tell(event, GRF_IC, quick ? detect->on_fraction : detect->firm_fraction, at, now);
}

/* Begins a flight; of a contact it tells where it ended, earlier where cells creep. */
static int leave(const grf_detect_settings_t *settings, grf_detect_t *detect, int left, uint32_t now,
                 grf_event_t *event)
{
    uint32_t at = left ? detect->off_at : detect->loose_at;
    uint8_t was = detect->state;
    int crept = detect->flight == SHORT && detect->slackened == FALLEN && detect->slack_at + settings->creep < at;
    detect->state = FLIGHT;
    detect->flight = SEEN;
    detect->left_at = at;
    if (was != CONTACT) {
        return 0;
    }
    return crept ? tell(event, GRF_TO, detect->slack_fraction, detect->slack_at, now)
                 : tell(event, GRF_TO, left ? detect->off_fraction : detect->loose_fraction, at, now);
}

static int judge(const grf_detect_settings_t *settings, grf_detect_t *detect, int32_t before, grf_event_t *event)
{
    uint32_t now = detect->pushed - 1u;
    if (detect->missing > settings->bridge) {
        return lose(detect, now, event);
    }
    compare(detect, before, now);
    if (detect->state == FLIGHT && detect->firmly == settings->confirm_on) {
        return land(settings, detect, now, event);
    }
    int left = detect->below == settings->confirm_off;
    if (detect->state != FLIGHT && (left || (settings->linger != 0 && detect->loose == settings->linger))) {
        return leave(settings, detect, left, now, event);
    }
    return 0;
}

static int32_t least(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static int32_t most(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static void set_levels(const grf_detect_settings_t *settings, grf_detect_t *detect)
{
    int32_t span = detect->high - detect->low;
    if (detect->levelled) {
        detect->low = least(detect->block_low, detect->low + (span >> settings->low_shift));
        detect->high = most(detect->block_high, detect->high - (span >> settings->high_shift));
    } else {
        detect->low = detect->block_low;
        detect->high = detect->block_high;
        detect->levelled = 1;
    }
    span = detect->high - detect->low;
    if ((span >> settings->smooth_shift) < settings->least_span || detect->count < settings->warmup) {
        detect->on = INT32_MAX;
        detect->off = -INT32_MAX;
        detect->firm = INT32_MAX;
        detect->slack = -INT32_MAX;
    } else {
        uint8_t firm_q8 = settings->firm_q8 > settings->on_q8 ? settings->firm_q8 : settings->on_q8;
        detect->on = detect->low + ((span * settings->on_q8) >> 8);
        detect->off = detect->low + ((span * settings->off_q8) >> 8);
        detect->firm = detect->low + ((span * firm_q8) >> 8);
        detect->slack = settings->slack_q6 != 0 ? detect->low + ((span * settings->slack_q6) >> 6) : -INT32_MAX;
    }
}

static void track(const grf_detect_settings_t *settings, grf_detect_t *detect)
{
    detect->block_low = least(detect->block_low, detect->sum);
    detect->block_high = most(detect->block_high, detect->sum);
    if ((detect->count & ((1u << settings->block_shift) - 1u)) != 0) {
        return;
    }
    set_levels(settings, detect);
    detect->block_low = INT32_MAX;
    detect->block_high = INT32_MIN;
}

int grf_detect_push(const grf_detect_settings_t *settings, grf_detect_t *detect, int32_t sample, grf_event_t *event)
{
    ++detect->pushed;
    if (sample == GRF_MISSING) {
        if (!detect->started) {
            return 0;
        }
        detect->missing = detect->missing > settings->bridge ? detect->missing : detect->missing + 1u;
        sample = detect->last;
    } else if (sample > GRF_LARGEST || sample < -GRF_LARGEST) {
        return -1;
    } else {
        detect->missing = 0;
    }
    int found = judge(settings, detect, smooth(settings, detect, sample), event);
    ++detect->count;
    track(settings, detect);
    return found;
}
