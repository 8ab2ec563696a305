#include "grf_device.h"

#include <string.h>

#define LEAST_MTU 23u /* of every connection, bytes */
#define G 9.80665f    /* m/s^2 */

static uint32_t lock(const grf_radio_t *radio)
{
    return radio->lock != 0 ? radio->lock(radio->context) : 0u;
}

static void unlock(const grf_radio_t *radio, uint32_t key)
{
    if (radio->unlock != 0) {
        radio->unlock(radio->context, key);
    }
}

int grf_device_start(const grf_device_settings_t *settings, grf_device_t *device, const grf_device_memory_t *memory)
{
    const grf_insole_settings_t *model = settings->model;
    memset(device, 0, sizeof *device);
    device->memory = *memory;
    device->mtu = LEAST_MTU;
    device->every = device->model_every = 1;
    grf_service_start(&device->service);
    if (settings->service.rate_hz == 0 || settings->service.adc_bits < 1u || settings->service.adc_bits > 16u ||
        (settings->radio.lock == 0) != (settings->radio.unlock == 0) || settings->radio.send == 0 ||
        settings->radio.now_us == 0 || !grf_sender_start(&device->sender, memory->packet, memory->packets)) {
        return 0;
    }
    if (model == 0) {
        return settings->service.model_mhz == 0;
    }
    return memory->report != 0 && settings->service.model_mhz == model->rate_mhz &&
           memory->report_bytes >= GRF_STANCE_BYTES((size_t)model->model->points, grf_axes_count(model->axes)) &&
           grf_insole_start(model, &device->insole, &memory->insole, !settings->service.right);
}

/* What SET told, in counts of the model's columns, which are those of the profile. */
static void take_told(const grf_insole_settings_t *model, const grf_service_t *service, grf_insole_t *insole)
{
    for (uint32_t k = 0; k < GRF_INSOLE_TOLD; ++k) {
        uint32_t key = model->told_key[k];
        if (key > 0 && key < GRF_SET_KEYS && service->known[key]) {
            insole->told[k] = (int16_t)service->value[key]; /* the limits of SET are within 16 bits */
        }
    }
    if (service->known[GRF_SET_MASS]) {
        insole->bw_per_n = 1.0f / ((float)service->value[GRF_SET_MASS] * 0.01f * G);
    }
}

/* Nothing of the last run is sent in this one. */
static void begin(const grf_device_settings_t *settings, grf_device_t *device)
{
    const grf_service_t *service = &device->service;
    grf_sender_settings_t sending = {service->mtu, service->running.cfg_id, service->running.per_packet,
                                     settings->service.right, settings->service.adc_bits};
    uint32_t rate_hz = service->running.rate_hz;
    device->sending = sending;
    device->every = (uint16_t)(settings->service.rate_hz / rate_hz);
    device->taken = device->pushed = 0;
    (void)grf_sender_start(&device->sender, device->memory.packet, device->memory.packets);
    if ((service->streams & GRF_STREAM_STANCE) != 0 && settings->model != 0) {
        device->model_every = (uint16_t)(rate_hz * 1000u / settings->model->rate_mhz);
        (void)grf_insole_start(settings->model, &device->insole, &device->memory.insole, !settings->service.right);
        take_told(settings->model, service, &device->insole);
    }
}

void grf_device_delivered(const grf_device_settings_t *settings, grf_device_t *device)
{
    uint32_t key = lock(&settings->radio);
    if (grf_service_delivered(&device->service)) {
        begin(settings, device);
    }
    unlock(&settings->radio, key);
}

static void stop(const grf_device_settings_t *settings, grf_device_t *device)
{
    uint32_t key = lock(&settings->radio);
    (void)grf_sender_start(&device->sender, device->memory.packet, device->memory.packets);
    device->insole.waits = 0;
    unlock(&settings->radio, key);
}

void grf_device_mtu(grf_device_t *device, uint16_t mtu)
{
    device->mtu = mtu > LEAST_MTU ? mtu : LEAST_MTU;
}

void grf_device_disconnected(const grf_device_settings_t *settings, grf_device_t *device)
{
    grf_service_disconnected(&device->service);
    device->answer_bytes = device->asked = device->tared = 0;
    device->mtu = LEAST_MTU;
    stop(settings, device);
}

/* Offers what is due at once; what is refused is offered again by grf_device_work. 1: nothing is left. */
static int send_answers(const grf_device_settings_t *settings, grf_device_t *device)
{
    const grf_radio_t *radio = &settings->radio;
    uint8_t reply[GRF_TIME_REPLY_BYTES];
    if (device->asked) {
        size_t size = grf_service_time(device->request, sizeof device->request, device->came_us,
                                       radio->now_us(radio->context), reply);
        device->asked = !radio->send(radio->context, GRF_TIME_SYNC, reply, size);
    }
    if (device->tared && device->answer_bytes == 0) {
        device->answer_bytes = (uint8_t)grf_service_tared(device->answer);
        device->tared = 0;
    }
    if (device->answer_bytes > 0 &&
        radio->send(radio->context, GRF_CONTROL_POINT, device->answer, device->answer_bytes)) {
        device->answer_bytes = 0;
    }
    return !device->asked && device->answer_bytes == 0;
}

void grf_device_written(const grf_device_settings_t *settings, grf_device_t *device,
                        grf_characteristic_t characteristic, const uint8_t *value, size_t size, uint32_t came_us)
{
    if (characteristic == GRF_TIME_SYNC && size == sizeof device->request) {
        memcpy(device->request, value, size);
        device->came_us = came_us;
        device->asked = 1;
    } else if (characteristic == GRF_CONTROL_POINT) {
        uint8_t ran = device->service.runs;
        uint32_t key = lock(&settings->radio);
        if (device->answer_bytes > 0) {
            device->service.waits = 0; /* a START whose answer never left is none: the host has given it up */
        }
        device->answer_bytes = (uint8_t)grf_service_control(&settings->service, &device->service, device->mtu, value,
                                                            size, device->answer);
        unlock(&settings->radio, key);
        if (ran && !device->service.runs) {
            stop(settings, device);
        }
        if (settings->model != 0) {
            take_told(settings->model, &device->service, &device->insole);
        }
    }
    (void)send_answers(settings, device);
}

size_t grf_device_info(const grf_device_settings_t *settings, uint8_t *to)
{
    return grf_service_info(&settings->service, to);
}

/* A sample of the rate that START asked for; 1: a stance waits. */
static int take(const grf_device_settings_t *settings, grf_device_t *device, const grf_sensor_t *sample,
                uint32_t time_us)
{
    uint16_t counter = (uint16_t)device->pushed;
    uint32_t turn = device->pushed++ % device->model_every;
    if ((device->service.streams & GRF_STREAM_SENSOR) != 0) {
        uint32_t key = lock(&settings->radio);
        grf_sender_sample(&device->sending, &device->sender, sample, time_us, counter);
        unlock(&settings->radio, key);
    }
    if ((device->service.streams & GRF_STREAM_STANCE) == 0 || settings->model == 0 || turn != 0) {
        return 0;
    }
    if (!device->insole.waits) {
        device->ended_us = time_us;
        device->ended_counter = counter;
    }
    return grf_insole_take(settings->model, &device->insole, sample);
}

int grf_device_sample(const grf_device_settings_t *settings, grf_device_t *device, const grf_sensor_t *sample,
                      uint32_t time_us)
{
    device->sender.tared = device->service.tared;
    if (device->service.tares && sample != 0 && grf_service_tare(&settings->service, &device->service, sample->cells)) {
        device->tared = 1;
    }
    if (device->service.runs && device->taken++ % device->every == 0) {
        (void)take(settings, device, sample, time_us);
    }
    return device->tared || device->insole.waits || device->sender.held > 0 || device->sender.leaves;
}

/* The stance that waits, through the model and into packets. */
static void answer_stance(const grf_device_settings_t *settings, grf_device_t *device)
{
    const grf_insole_settings_t *model = settings->model;
    uint32_t ended_us = device->ended_us, ended_counter = device->ended_counter; /* stay while the stance waits, as */
    uint32_t ago_q8 = device->insole.cut.info.age_q8 - 256u; /* model's samples before that one, in 1/256 */
    grf_report_t report;
    if (!grf_insole_answer(model, &device->insole, &report)) {
        return;
    }
    size_t size = grf_report_encode(&report, device->memory.report, device->memory.report_bytes);
    uint32_t ago_us = (uint32_t)(((uint64_t)ago_q8 * 3906250u + model->rate_mhz / 2u) / model->rate_mhz);
    uint32_t ago = (ago_q8 * device->model_every + 255u) >> 8; /* samples: the one at or before initial contact */
    uint32_t key = lock(&settings->radio);
    (void)grf_sender_report(&device->sending, &device->sender, device->memory.report, size, ended_us - ago_us,
                            (uint16_t)(ended_counter - ago));
    unlock(&settings->radio, key);
}

/* 1: the radio took all. */
static int send_packets(const grf_device_settings_t *settings, grf_device_t *device)
{
    const grf_radio_t *radio = &settings->radio;
    for (;;) {
        uint32_t key = lock(radio);
        const grf_packet_t *packet = grf_sender_next(&device->sender);
        unlock(radio, key);
        if (packet == 0) {
            return 1;
        }
        if (!radio->send(radio->context, (grf_characteristic_t)packet->characteristic, packet->bytes, packet->size)) {
            return 0;
        }
        grf_sender_sent(&device->sender);
    }
}

int grf_device_work(const grf_device_settings_t *settings, grf_device_t *device)
{
    int empty = send_answers(settings, device);
    if (device->service.runs) {
        empty = send_packets(settings, device) && empty;
        if (device->insole.waits) {
            answer_stance(settings, device);
            empty = send_packets(settings, device) && empty;
        }
    }
    return !empty;
}
