#include "insole.h"

#include "tcn_simulated_config.h"

static grf_tcn_simulated_memory_t memory;
static grf_packet_t packets[INSOLE_PACKETS];
static uint8_t report[GRF_TCN_SIMULATED_REPORT_BYTES];
static grf_device_t device;

static int send(void *context, grf_characteristic_t characteristic, const uint8_t *value, size_t size)
{
    (void)context;
    return insole_send(characteristic, value, size);
}

static uint32_t now_us(void *context)
{
    (void)context;
    return insole_now_us();
}

static uint32_t lock(void *context)
{
    (void)context;
    return insole_lock();
}

static void unlock(void *context, uint32_t key)
{
    (void)context;
    insole_unlock(key);
}

static grf_device_settings_t settings = {
    {0, INSOLE_ADC_BITS, INSOLE_ACCEL_G, INSOLE_GYRO_DPS, INSOLE_RATE_MHZ / 1000u, GRF_TCN_SIMULATED_MODEL_ID,
     GRF_TCN_SIMULATED_RATE_MHZ},
    &grf_tcn_simulated_insole,
    {0, send, now_us, lock, unlock}};

int insole_begin(int left)
{
    grf_device_memory_t given = {grf_tcn_simulated_memory(&memory), report, sizeof report, INSOLE_PACKETS, packets};
    settings.service.right = !left;
    return grf_device_start(&settings, &device, &given);
}

int insole_sample(const grf_sensor_t *sample, uint32_t time_us)
{
    return grf_device_sample(&settings, &device, sample, time_us);
}

int insole_work(void)
{
    return grf_device_work(&settings, &device);
}

void insole_mtu(uint16_t mtu)
{
    grf_device_mtu(&device, mtu);
}

void insole_delivered(void)
{
    grf_device_delivered(&settings, &device);
}

void insole_disconnected(void)
{
    grf_device_disconnected(&settings, &device);
}

void insole_written(grf_characteristic_t characteristic, const uint8_t *value, size_t size, uint32_t came_us)
{
    grf_device_written(&settings, &device, characteristic, value, size, came_us);
}

size_t insole_info(uint8_t to[GRF_INFO_BYTES])
{
    return grf_device_info(&settings, to);
}
