/* A zero-lag low-pass over samples that are held, in integers: the twin of grfkit.embedded.lowpass, number for number.
 *
 * A Butterworth section of second order runs forward and backward. Before the first and after the last sample the
 * signal goes on as its own mirror image through that sample, `pad` samples far, and either way begins in the steady
 * state of the first of them. Values are in 1/4096 counts with coefficients of 28 bits, products in 64 bits: no
 * floating point, so that a core without it gives the same bytes. */
#ifndef GRF_LOWPASS_H
#define GRF_LOWPASS_H

#include <stdint.h>

#define GRF_LOWPASS_FRACTION 12u /* bits of a count */

typedef struct {
    int32_t a1, a2;    /* of 1 + a1/z + a2/z^2, in 1/2^28; |a1| at most 2^29, |a2| at most 2^28 */
    uint16_t pad;      /* samples */
    uint32_t channels; /* bit k: channel k of the stance buffer goes through */
} grf_lowpass_settings_t;

/* Words that `samples` takes. */
#define GRF_LOWPASS_WORDS(count, pad) ((uint32_t)(count) + (pad))

/* Filters `count` samples, 1/4096 counts, in place; fewer than four are left as they are. */
void grf_lowpass(const grf_lowpass_settings_t *settings, int32_t *samples, uint32_t count);

#endif
