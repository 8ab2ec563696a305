/* When samples are due, and the time that they bear, from a counter of any rate: 64 bits, and nothing is rounded twice.
 *
 * A period that is no whole number of ticks (327.68 of a 32,768 Hz clock at 100 Hz) leaves a remainder, which gathers
 * until it is a tick: the rate is exact in the long run. Ticks are turned into microseconds before anything is cut to
 * the 32 bits of a packet, which wrap after 71.6 minutes; ticks cut to 32 bits would wrap elsewhere. */
#ifndef GRF_CLOCK_H
#define GRF_CLOCK_H

#include <stdint.h>

typedef struct {
    uint64_t due;   /* ticks: when the next sample is due */
    uint32_t whole; /* ticks between two samples, and part / of of a tick */
    uint32_t part, of;
    uint32_t rest; /* parts that have gathered, below of */
} grf_pace_t;

/* The first sample is due one period after `now` (ticks); rate_mhz: of the samples, 0.001 Hz, above 0. */
static inline void grf_pace_start(grf_pace_t *pace, uint64_t now, uint32_t ticks_per_s, uint32_t rate_mhz)
{
    uint64_t ticks = (uint64_t)ticks_per_s * 1000u;
    pace->due = now;
    pace->whole = (uint32_t)(ticks / rate_mhz);
    pace->part = (uint32_t)(ticks % rate_mhz);
    pace->of = rate_mhz;
    pace->rest = 0;
}

/* When the next sample is due, ticks. */
static inline uint64_t grf_pace_next(grf_pace_t *pace)
{
    uint64_t rest = (uint64_t)pace->rest + pace->part;
    uint32_t carried = rest >= pace->of ? 1u : 0u;
    pace->rest = (uint32_t)(carried ? rest - pace->of : rest);
    pace->due += (uint64_t)pace->whole + carried;
    return pace->due;
}

/* Ticks in microseconds, rounded to the nearest; right for 580,000 years. */
static inline uint64_t grf_ticks_us(uint64_t ticks, uint32_t ticks_per_s)
{
    return ticks / ticks_per_s * 1000000u + (ticks % ticks_per_s * 1000000u + ticks_per_s / 2u) / ticks_per_s;
}

/* A counter of 32 bits carried on in 64; it has to be looked at before it has gone all the way round. */
static inline uint64_t grf_widened(uint64_t *wide, uint32_t counter)
{
    *wide += (uint32_t)(counter - (uint32_t)*wide);
    return *wide;
}

#endif
