/* Raw counts to a model's int8: zero + ((raw - offset) * multiplier) / 2^shift, rounded half up, saturated. */
#ifndef GRF_INPUT_H
#define GRF_INPUT_H

#include <stdint.h>

/* A row of a window whose centre and size are its own. */
typedef struct {
    int16_t offset;
    int16_t multiplier;
} grf_point_t;

/* One channel; the z-score and the scale of the input tensor are folded in. */
typedef struct {
    int32_t offset;     /* counts */
    int32_t multiplier; /* int8 steps per count, in 1/2^shift */
    uint8_t shift;      /* 1 to 46 */
    int8_t zero;
    const grf_point_t *points; /* offset and multiplier of each row; a null pointer: those above, of all rows */
} grf_channel_t;

static inline int8_t grf_input(int32_t raw, const grf_channel_t *channel, uint32_t row)
{
    int64_t half = (int64_t)1 << (channel->shift - 1);
    int32_t offset = channel->points != 0 ? channel->points[row].offset : channel->offset;
    int32_t multiplier = channel->points != 0 ? channel->points[row].multiplier : channel->multiplier;
    int64_t value = (((int64_t)raw - offset) * multiplier + half) >> channel->shift;
    value += channel->zero;
    return (int8_t)(value > 127 ? 127 : (value < -128 ? -128 : value));
}

/* The first `rows` rows of a window of `rows` x `channels` numbers; int16 as inertial sensors give them. */
void grf_input_signed(const int16_t *raw, const grf_channel_t *channel, uint32_t channels, uint32_t rows, int8_t *to);

/* The same for converters, which count from 0 to 65535. */
void grf_input_unsigned(const uint16_t *raw, const grf_channel_t *channel, uint32_t channels, uint32_t rows,
                        int8_t *to);

#endif
