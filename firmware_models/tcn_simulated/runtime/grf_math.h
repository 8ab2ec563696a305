/* Fixed-point arithmetic of an int8 model: one multiplication with rounding, and two activations.
 *
 * Byte for byte what TensorFlow Lite for Microcontrollers computes. The rounding of grf_rescale follows
 * gemmlowp's SaturatingRoundingDoublingHighMul and RoundingDivideByPOT, the activations follow TFLM's sigmoid and tanh
 * of 16 bits (Apache License 2.0, Copyright The Gemmlowp Authors and The TensorFlow Authors); the code is our own. */
#ifndef GRF_MATH_H
#define GRF_MATH_H

#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__) && !defined(GRF_PORTABLE)
#define GRF_DSP 1
#else
#define GRF_DSP 0
#endif

/* A right shift of a negative number must round down; every compiler in use does so, this line proves it. */
typedef char grf_shift_rounds_down[((-3) >> 1) == -2 ? 1 : -1];

/* A factor: x * multiplier / 2^31 * 2^(up - 1) / 2^right. The exporter sees to it that x * 2^up fits 32 bits. */
typedef struct {
    int32_t multiplier; /* 2^30 to 2^31 - 1, or 0 */
    uint8_t up;         /* 1 or more */
    uint8_t right;      /* 0 unless up is 1 */
} grf_scale_t;

extern const uint32_t grf_sigmoid_table[512];

static inline int32_t grf_clamp(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : (x > high ? high : x);
}

/* A number that fits so many bits, sign included. */
#if GRF_DSP
#define GRF_SATURATE(bits)                                            \
    static inline int32_t grf_sat##bits(int32_t x)                    \
    {                                                                 \
        int32_t y;                                                    \
        __asm__("ssat %0, #" #bits ", %1" : "=r"(y) : "r"(x));        \
        return y;                                                     \
    }
#else
#define GRF_SATURATE(bits)                                            \
    static inline int32_t grf_sat##bits(int32_t x)                    \
    {                                                                 \
        return grf_clamp(x, -(1 << (bits - 1)), (1 << (bits - 1)) - 1); \
    }
#endif

GRF_SATURATE(8)
GRF_SATURATE(16)
GRF_SATURATE(17)

/* The upper half of the product, rounded to the nearest, halves upward. */
static inline int32_t grf_high(int32_t a, int32_t b)
{
#if GRF_DSP
    int32_t y;
    __asm__("smmulr %0, %1, %2" : "=r"(y) : "r"(a), "r"(b));
    return y;
#else
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32);
#endif
}

/* x times a factor, rounded twice: halves upward, then halves away from zero. Takes 2 x. */
static inline int32_t grf_rescale(int32_t twice, grf_scale_t scale)
{
    if (scale.right == 0) {
        return grf_high((int32_t)((uint32_t)twice << (scale.up - 1)), scale.multiplier);
    }
    int32_t y = grf_high(twice, scale.multiplier);
    return (((y + (y >> 31)) >> (scale.right - 1)) + 1) >> 1;
}

/* 2^15 * sigmoid(x / 2^12) of a number of 16 bits, which never leaves the table. */
static inline int32_t grf_sigmoid(int32_t x)
{
    int32_t thrice = 3 * x;
    uint32_t entry = grf_sigmoid_table[256 + (thrice >> 9)];
    int32_t value = (int32_t)(((entry >> 16) << 9) + ((uint32_t)thrice & 0x1FFu) * (entry & 0xFFFFu));
    return (value + 512 + (thrice >> 31)) >> 10;
}

/* 2^15 * tanh(x), x in 1/2^12, multiplied by three as the table has it. */
static inline int32_t grf_tanh(int32_t thrice)
{
    thrice = grf_sat17(thrice);
    uint32_t entry = grf_sigmoid_table[256 + (thrice >> 8)];
    int32_t value = (int32_t)(((entry >> 16) << 8) + ((uint32_t)thrice & 0xFFu) * (entry & 0xFFFFu));
    return (value - (1 << 23) + 128 + (thrice >> 31)) >> 8;
}

/* The same for a state whose last bit is worth 2^power; power from -31 to 0. */
typedef struct {
    int32_t multiplier; /* 3 * 2^(12 + power), or 3 */
    int32_t half;       /* half of 2^right, or 0 */
    uint8_t right;      /* -(12 + power), or 0 */
} grf_tanh_scale_t;

static inline int32_t grf_tanh_scaled(int32_t x, grf_tanh_scale_t scale)
{
    return grf_tanh((x * scale.multiplier + scale.half) >> scale.right);
}

#endif
