/* Untested: nobody has run this on a board yet; what is tested is `make test` and the boards of sizes.json.
 * Fill in the two places marked; samples have to come at 100 Hz. The model takes longer than a sample: sample
 * from an interrupt or a thread of higher priority into a queue, and empty it here. */
#include <zephyr/kernel.h>

#include "insole.h"

void insole_send(const uint8_t *packet, size_t size)
{
    (void)packet; /* bt_gatt_notify(NULL, attribute, packet, size) */
    (void)size;
}

static int read_sample(grf_sensor_t *sample)
{
    (void)sample; /* 16 cells as the converter counts them, acceleration and angular velocity in the IMU's counts */
    return 0;
}

int main(void)
{
    uint16_t counter = 0;
    grf_sensor_t sample;
    if (!insole_begin(1)) {
        return 1;
    }
    for (int64_t due = k_uptime_ticks();; ++counter) {
        due += CONFIG_SYS_CLOCK_TICKS_PER_SEC / 100;
        k_sleep(K_TIMEOUT_ABS_TICKS(due));
        insole_sample(read_sample(&sample) ? &sample : NULL, k_ticks_to_us_near32((uint32_t)due), counter);
    }
}
