#include "grf_input.h"

void grf_input_signed(const int16_t *raw, const grf_channel_t *channel, uint32_t channels, uint32_t rows, int8_t *to)
{
    for (uint32_t row = 0; row < rows; ++row) {
        for (uint32_t k = 0; k < channels; ++k) {
            *to++ = grf_input(*raw++, channel + k, row);
        }
    }
}

void grf_input_unsigned(const uint16_t *raw, const grf_channel_t *channel, uint32_t channels, uint32_t rows,
                        int8_t *to)
{
    for (uint32_t row = 0; row < rows; ++row) {
        for (uint32_t k = 0; k < channels; ++k) {
            *to++ = grf_input(*raw++, channel + k, row);
        }
    }
}
