/* A bundle's examples/insole as a library: the board's functions are the caller's. */
#include "hooks.h"

static hooks_t hooks;

void hooks_set(hooks_t given)
{
    hooks = given;
}

int insole_send(grf_characteristic_t characteristic, const uint8_t *value, size_t size)
{
    return hooks.send((int)characteristic, value, size);
}

uint32_t insole_now_us(void)
{
    return hooks.now_us();
}

uint32_t insole_lock(void)
{
    return 0;
}

void insole_unlock(uint32_t key)
{
    (void)key;
}

int hooks_row(const uint16_t *cells, const int16_t *imu, uint32_t time_us)
{
    grf_sensor_t sample;
    for (uint32_t k = 0; k < GRF_CELLS; ++k) {
        sample.cells[k] = cells[k];
    }
    for (uint32_t k = 0; k < GRF_IMU; ++k) {
        sample.imu[k] = imu[k];
    }
    return insole_sample(&sample, time_us);
}

void hooks_written(int characteristic, const uint8_t *value, size_t size, uint32_t came_us)
{
    insole_written((grf_characteristic_t)characteristic, value, size, came_us);
}
