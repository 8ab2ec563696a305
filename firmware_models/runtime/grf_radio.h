/* What a board adds: a way to send a value, a clock, and a lock where samples interrupt the rest. */
#ifndef GRF_RADIO_H
#define GRF_RADIO_H

#include <stddef.h>
#include <stdint.h>

/* The characteristics, by the last digits of their UUIDs: 2f7aXXXX-9c3e-4b1d-8a65-5d0f3e71c6b2, the service is 0001. */
typedef enum {
    GRF_INFO = 2,          /* read */
    GRF_CONTROL_POINT = 3, /* write with response, indicate */
    GRF_SENSOR_DATA = 4,   /* notify */
    GRF_GRF_DATA = 5,      /* notify */
    GRF_TIME_SYNC = 6      /* write without response, notify */
} grf_characteristic_t;

typedef struct {
    void *context; /* handed back to each function */

    /* Notifies a value, or indicates one of the control point; returns 1 where the stack took it, 0 where it has no
     * room now: the value is kept and offered again. Nothing may be called from within. */
    int (*send)(void *context, grf_characteristic_t characteristic, const uint8_t *value, size_t size);

    /* The device's clock, microseconds: the same that samples bear. */
    uint32_t (*now_us)(void *context);

    /* Keeps whatever takes samples from running between the two; both null pointers where nothing interrupts. */
    uint32_t (*lock)(void *context);
    void (*unlock)(void *context, uint32_t key);
} grf_radio_t;

#endif
