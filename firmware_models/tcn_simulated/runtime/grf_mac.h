/* Four rows of weights times one row of values: the inner loop of every layer.
 *
 * Weights lie in pairs of rows: the number of 16 bits for input k is 256 * (second row) + (first row). For four inputs
 * come four such numbers of the first pair, then four of the second. Multiplying the whole number gives 256 * second +
 * first, multiplying its lower byte gives first: two rows for three instructions per two inputs, where unpacking each
 * weight costs four. It is exact while a row's sum stays within 2^23 (the exporter checks that) and wraps around in
 * between. Sums come doubled, as grf_rescale takes them, and so does the bias. Answers where the next
 * rows begin. */
#ifndef GRF_MAC_H
#define GRF_MAC_H

#include <string.h>

#include "grf_math.h"

#if GRF_DSP

static inline const int16_t *grf_mac4(const int16_t *weights, const int16_t *values, uint32_t fours,
                                      const int32_t *bias, int32_t *sums)
{
    int32_t a = 0, ab = 0, c = 0, cd = 0;
    int32_t x, y;
    __asm__("1:\n\t"
            "ldrd %[x], %[y], [%[values]], #8\n\t"
            "ldmia %[weights]!, {r4, r5, r6, r8}\n\t"
            "smlad %[ab], r4, %[x], %[ab]\n\t"
            "smlad %[ab], r5, %[y], %[ab]\n\t"
            "sxtb16 r4, r4\n\t"
            "sxtb16 r5, r5\n\t"
            "smlad %[a], r4, %[x], %[a]\n\t"
            "smlad %[a], r5, %[y], %[a]\n\t"
            "smlad %[cd], r6, %[x], %[cd]\n\t"
            "smlad %[cd], r8, %[y], %[cd]\n\t"
            "sxtb16 r6, r6\n\t"
            "sxtb16 r8, r8\n\t"
            "smlad %[c], r6, %[x], %[c]\n\t"
            "smlad %[c], r8, %[y], %[c]\n\t"
            "subs %[fours], #1\n\t"
            "bne 1b"
            : [a] "+r"(a), [ab] "+r"(ab), [c] "+r"(c), [cd] "+r"(cd), [x] "=&r"(x), [y] "=&r"(y),
              [weights] "+r"(weights), [values] "+r"(values), [fours] "+r"(fours)
            :
            : "cc", "memory", "r4", "r5", "r6", "r8");
    sums[0] = bias[0] + 2 * a;
    sums[1] = bias[1] + ((int32_t)((uint32_t)ab - (uint32_t)a) >> 7);
    sums[2] = bias[2] + 2 * c;
    sums[3] = bias[3] + ((int32_t)((uint32_t)cd - (uint32_t)c) >> 7);
    return weights;
}

#else

/* Two rows; wrapping is wanted, so that the sums are unsigned. */
static inline void grf_mac2(const int16_t *weights, const int16_t *values, uint32_t fours, const int32_t *bias,
                            int32_t *sums)
{
    uint32_t low = 0, both = 0;
    for (uint32_t k = 0; k < fours; ++k) {
        for (uint32_t j = 0; j < 4; ++j) {
            int32_t weight = weights[8 * k + j], value = values[4 * k + j];
            int32_t first = (int32_t)(((uint32_t)weight & 0xFFu) ^ 0x80u) - 0x80; /* the lower byte with its sign */
            both += (uint32_t)(weight * value);
            low += (uint32_t)(first * value);
        }
    }
    sums[0] = bias[0] + 2 * (int32_t)low;
    sums[1] = bias[1] + ((int32_t)(both - low) >> 7);
}

static inline const int16_t *grf_mac4(const int16_t *weights, const int16_t *values, uint32_t fours,
                                      const int32_t *bias, int32_t *sums)
{
    grf_mac2(weights, values, fours, bias, sums);
    grf_mac2(weights + 4, values, fours, bias + 2, sums + 2);
    return weights + 8u * fours;
}

#endif

/* Bytes as numbers of 16 bits. */
static inline void grf_widen(const int8_t *from, int16_t *to, uint32_t count)
{
#if GRF_DSP
    for (; count >= 4; count -= 4, from += 4, to += 4) { /* neither pointer need be aligned to a word */
        uint32_t word, even, odd, first, second;
        memcpy(&word, from, sizeof word);
        __asm__("sxtb16 %0, %1" : "=r"(even) : "r"(word));
        __asm__("sxtb16 %0, %1, ror #8" : "=r"(odd) : "r"(word));
        __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(first) : "r"(even), "r"(odd));
        __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(second) : "r"(odd), "r"(even));
        memcpy(to, &first, sizeof first);
        memcpy(to + 2, &second, sizeof second);
    }
#endif
    for (uint32_t k = 0; k < count; ++k) {
        to[k] = from[k];
    }
}

#endif
