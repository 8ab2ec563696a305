#include "grf_lowpass.h"

#define ONE ((int64_t)1 << 28)
#define MOST ((int64_t)1 << 30)

typedef struct {
    int32_t a1, a2;
    int64_t b0;
    int32_t x1, x2, y1, y2;
} section_t;

/* Begins where the signal has always been at a value. */
static void steady(section_t *section, int32_t value)
{
    section->x1 = section->x2 = section->y1 = section->y2 = value;
}

static int32_t next(section_t *section, int32_t x)
{
    int64_t sum = section->b0 * ((int64_t)x + 2 * (int64_t)section->x1 + section->x2);
    sum -= (int64_t)section->a1 * section->y1 + (int64_t)section->a2 * section->y2;
    int64_t y = (sum + ONE / 2) >> 28;
    y = y > MOST ? MOST : (y < -MOST ? -MOST : y);
    section->x2 = section->x1;
    section->x1 = x;
    section->y2 = section->y1;
    section->y1 = (int32_t)y;
    return (int32_t)y;
}

void grf_lowpass(const grf_lowpass_settings_t *settings, int32_t *samples, uint32_t count)
{
    section_t section = {settings->a1, settings->a2, 0, 0, 0, 0, 0};
    uint32_t pad = settings->pad < count ? settings->pad : count - 1u;
    if (count < 4u) {
        return;
    }
    section.b0 = (ONE + settings->a1 + settings->a2) / 4; /* a constant stays what it is */
    for (uint32_t k = 0; k < pad; ++k) {
        samples[count + k] = 2 * samples[count - 1u] - samples[count - 2u - k];
    }
    steady(&section, 2 * samples[0] - samples[pad]);
    for (uint32_t k = pad; k > 0; --k) {
        (void)next(&section, 2 * samples[0] - samples[k]);
    }
    for (uint32_t k = 0; k < count + pad; ++k) {
        samples[k] = next(&section, samples[k]);
    }
    steady(&section, samples[count + pad - 1u]);
    for (uint32_t k = count + pad; k > 0; --k) {
        samples[k - 1u] = next(&section, samples[k - 1u]);
    }
}
