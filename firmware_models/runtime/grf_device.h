/* A whole insole: samples and what a host writes in, values to notify and to indicate out. A board adds its radio (or
 * serial line), its sensors and a timer.
 *
 * grf_device_sample is the sampling path, and may interrupt the others where the radio has a lock; all others are
 * called from one context (a thread, a work queue, a loop), which stands still while the model runs. */
#ifndef GRF_DEVICE_H
#define GRF_DEVICE_H

#include "grf_insole.h"
#include "grf_radio.h"
#include "grf_sender.h"
#include "grf_service.h"

typedef struct {
    grf_service_settings_t service;
    const grf_insole_settings_t *model; /* a null pointer: sensor data alone */
    grf_radio_t radio;
} grf_device_settings_t;

/* Of the caller's. */
typedef struct {
    grf_insole_memory_t insole; /* where there is a model */
    uint8_t *report;            /* GRF_STANCE_BYTES(points, axes) */
    uint16_t report_bytes;
    uint16_t packets; /* a second of them and two stances, say: what a connection that falters may keep waiting */
    grf_packet_t *packet;
} grf_device_memory_t;

typedef struct {
    grf_device_memory_t memory;
    grf_service_t service;
    grf_sender_settings_t sending;
    grf_sender_t sender;
    grf_insole_t insole;
    uint16_t mtu;           /* of the connection, bytes; 23 until grf_device_mtu says another */
    uint16_t every;         /* samples taken for one that START asked for, */
    uint16_t model_every;   /* and of those for one of the model's */
    uint32_t taken, pushed; /* samples since START, and those of its rate */
    uint32_t ended_us;      /* the sample that ended the stance that waits */
    uint16_t ended_counter;
    volatile uint8_t tared; /* 1: a tare's answer is due */
    uint8_t answer_bytes;   /* of the answer that waits to be indicated */
    uint8_t answer[GRF_ANSWER_BYTES];
    uint8_t asked; /* 1: a time request waits for its reply */
    uint8_t request[GRF_TIME_REQUEST_BYTES];
    uint32_t came_us;
} grf_device_t;

/* 1: ready; 0: memory that is missing, or settings that cannot be. */
int grf_device_start(const grf_device_settings_t *settings, grf_device_t *device, const grf_device_memory_t *memory);

/* A sample, or a null pointer where it was missed, at settings->service.rate_hz; time_us is its own. 1: wake whatever
 * calls grf_device_work. */
int grf_device_sample(const grf_device_settings_t *settings, grf_device_t *device, const grf_sensor_t *sample,
                      uint32_t time_us);

/* Runs the model where a stance waits, and sends what the radio takes; 1 where something still waits: again when the
 * radio has room. */
int grf_device_work(const grf_device_settings_t *settings, grf_device_t *device);

/* What the radio reports. A packet takes MTU - 3 bytes at most; START settles how many samples that are. */
void grf_device_mtu(grf_device_t *device, uint16_t mtu);
void grf_device_disconnected(const grf_device_settings_t *settings, grf_device_t *device);

/* GRF_CONTROL_POINT or GRF_TIME_SYNC was written; came_us is when, as early as can be told. */
void grf_device_written(const grf_device_settings_t *settings, grf_device_t *device,
                        grf_characteristic_t characteristic, const uint8_t *value, size_t size, uint32_t came_us);

/* The host has confirmed an indication: only now does a START take effect. */
void grf_device_delivered(const grf_device_settings_t *settings, grf_device_t *device);

/* The value of GRF_INFO: GRF_INFO_BYTES. */
size_t grf_device_info(const grf_device_settings_t *settings, uint8_t *to);

#endif
