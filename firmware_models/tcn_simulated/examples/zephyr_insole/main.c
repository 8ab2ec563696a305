/* Untested: nobody has run this on a board yet; what is tested is `make test` and the boards of sizes.json.
 * Fill in the places marked: the sensors, and the radio. Samples come from the main thread at 100 Hz; the model runs
 * in a thread that the main one interrupts, for it takes longer than a sample. */
#include <string.h>

#include <zephyr/kernel.h>

#include "insole.h"

#define WORKER_STACK 2048  /* bytes */
#define WORKER_PRIORITY 10 /* below the main thread's, which is 0 */
#define AGAIN_MS 10        /* until what the radio refused is offered again */
#define LONGEST 20         /* bytes that a host writes: time sync has 9 */

/* What the radio's thread hands on to the worker. */
typedef enum { AGREED_MTU, WRITTEN, CONFIRMED, DISCONNECTED } event_kind_t;

typedef struct {
    event_kind_t kind;
    uint16_t number; /* the MTU, or the characteristic that was written */
    uint8_t size, value[LONGEST];
    uint32_t came_us;
} event_t;

K_SEM_DEFINE(wake, 0, 1);
K_MSGQ_DEFINE(events, sizeof(event_t), 8, 4);

int insole_send(grf_characteristic_t characteristic, const uint8_t *value, size_t size)
{
    (void)characteristic; /* bt_gatt_notify(connection, attribute, value, size) == 0, */
    (void)value;          /* bt_gatt_indicate for GRF_CONTROL_POINT */
    (void)size;
    return 0;
}

uint32_t insole_now_us(void)
{
    return (uint32_t)grf_ticks_us((uint64_t)k_uptime_ticks(), CONFIG_SYS_CLOCK_TICKS_PER_SEC);
}

uint32_t insole_lock(void)
{
    return irq_lock();
}

void insole_unlock(uint32_t key)
{
    irq_unlock(key);
}

static int read_sample(grf_sensor_t *sample)
{
    (void)sample; /* 16 cells as the converter counts them, acceleration and angular velocity in the IMU's counts */
    return 0;
}

/* Call it from the radio's callbacks; Info is read from insole_info. 0: the worker is behind, which a host that writes
 * is told as an error. */
int board_event(event_kind_t kind, uint16_t number, const uint8_t *value, size_t size);

int board_event(event_kind_t kind, uint16_t number, const uint8_t *value, size_t size)
{
    event_t event = {kind, number, (uint8_t)size, {0}, insole_now_us()};
    if (size > LONGEST) {
        return 0;
    }
    if (size > 0) {
        memcpy(event.value, value, size);
    }
    if (k_msgq_put(&events, &event, K_NO_WAIT) != 0) {
        return 0;
    }
    k_sem_give(&wake);
    return 1;
}

static void take(const event_t *event)
{
    switch (event->kind) {
    case AGREED_MTU:
        insole_mtu(event->number);
        break;
    case WRITTEN:
        insole_written((grf_characteristic_t)event->number, event->value, event->size, event->came_us);
        break;
    case CONFIRMED:
        insole_delivered();
        break;
    default:
        insole_disconnected();
    }
}

static void worker(void *first, void *second, void *third)
{
    event_t event;
    (void)first;
    (void)second;
    (void)third;
    for (;;) {
        (void)k_sem_take(&wake, K_MSEC(AGAIN_MS));
        while (k_msgq_get(&events, &event, K_NO_WAIT) == 0) {
            take(&event);
        }
        (void)insole_work();
    }
}

/* Waits until main has begun and starts it. */
K_THREAD_DEFINE(worker_thread, WORKER_STACK, worker, NULL, NULL, NULL, WORKER_PRIORITY, 0, SYS_FOREVER_MS);

int main(void)
{
    grf_pace_t pace;
    grf_sensor_t sample;
    if (!insole_begin(1)) {
        return 1;
    }
    k_thread_start(worker_thread);
    grf_pace_start(&pace, (uint64_t)k_uptime_ticks(), CONFIG_SYS_CLOCK_TICKS_PER_SEC, INSOLE_RATE_MHZ);
    for (;;) {
        uint64_t due = grf_pace_next(&pace);
        k_sleep(K_TIMEOUT_ABS_TICKS((k_ticks_t)due));
        uint32_t time_us = (uint32_t)grf_ticks_us(due, CONFIG_SYS_CLOCK_TICKS_PER_SEC);
        if (insole_sample(read_sample(&sample) ? &sample : NULL, time_us)) {
            k_sem_give(&wake);
        }
    }
}
