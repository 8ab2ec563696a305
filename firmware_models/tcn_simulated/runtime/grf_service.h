/* The GRF Insole Service but for its data: Info, the control point and time sync, bytes in and bytes out.
 *
 * It calls nothing and sends nothing: whoever has the radio hands in what was written and sends what comes out. The
 * twins are grfkit.wire.profile, grfkit.wire.control and grfkit.virtual.insole. */
#ifndef GRF_SERVICE_H
#define GRF_SERVICE_H

#include "grf_packet.h"

#define GRF_INFO_BYTES 14u
#define GRF_RUNNING_BYTES 8u
#define GRF_ANSWER_BYTES (2u + GRF_INFO_BYTES + GRF_RUNNING_BYTES) /* of the control point, at most */
#define GRF_TIME_REQUEST_BYTES 9u
#define GRF_TIME_REPLY_BYTES 17u
#define GRF_TARE_SAMPLES 100u /* quiet ones that a tare averages, by the profile */

enum { GRF_START = 1, GRF_STOP = 2, GRF_GET = 3, GRF_TARE = 4, GRF_SET = 5 };
enum { GRF_DONE = 0, GRF_UNKNOWN_OP = 1, GRF_BAD_PARAMETER = 2, GRF_MTU_TOO_SMALL = 3, GRF_BUSY = 4 };
enum { GRF_STREAM_SENSOR = 1, GRF_STREAM_SAMPLES = 2, GRF_STREAM_STANCE = 4 };
enum { GRF_SET_MASS = 1, GRF_SET_SPEED = 2, GRF_SET_SLOPE = 3, GRF_SET_KEYS = 4 }; /* 10 g, mm/s, 0.01 % */

typedef struct {
    uint8_t right;           /* 1: a right foot */
    uint8_t adc_bits;        /* of a cell, 1 to 16 */
    uint16_t accel_range_g;  /* full range, g */
    uint16_t gyro_range_dps; /* full range, deg/s */
    uint16_t rate_hz;        /* at which samples are taken; START asks for a rate that divides it */
    uint32_t model_id;       /* CRC-32 of the .tflite, 0 for none */
    uint32_t model_mhz;      /* rate of the model's samples, 0.001 Hz; 0: no model */
} grf_service_settings_t;

/* The answer to START. */
typedef struct {
    uint8_t cfg_id;     /* never that of the configuration before */
    uint8_t per_packet; /* samples */
    uint16_t rate_hz;
    uint32_t period_us;
} grf_running_t;

typedef struct {
    uint8_t runs;         /* 1 between START's delivered answer and STOP */
    uint8_t waits;        /* 1: an answer to START has not been delivered yet */
    uint8_t streams;
    uint8_t cfg_id;
    uint16_t mtu;         /* of the connection when START came, bytes */
    grf_running_t running;
    uint8_t tares, tared; /* 1: quiet samples are being averaged; were averaged */
    uint8_t before;       /* 1: cells hold the sample before */
    uint16_t quiet;       /* samples averaged so far */
    uint16_t cells[GRF_CELLS];
    uint32_t sum[GRF_CELLS];
    uint16_t tare[GRF_CELLS];     /* level of the unloaded cells once tared, counts; what is sent stays raw */
    uint8_t known[GRF_SET_KEYS];  /* 1: SET told it */
    int32_t value[GRF_SET_KEYS];  /* by key, in counts of the profile */
} grf_service_t;

void grf_service_start(grf_service_t *service);

/* The value of Info: GRF_INFO_BYTES. */
size_t grf_service_info(const grf_service_settings_t *settings, uint8_t *to);

/* A value that was written to the control point; returns the bytes to indicate (GRF_ANSWER_BYTES at most), 0 while a
 * tare goes on: grf_service_tared has its answer. STOP takes effect at once. */
size_t grf_service_control(const grf_service_settings_t *settings, grf_service_t *service, uint16_t mtu,
                           const uint8_t *request, size_t size, uint8_t *answer);

/* The host has the answer; 1 where a START takes effect with that. */
int grf_service_delivered(grf_service_t *service);

/* Each sample's cells while service->tares is 1; 1 where the tare is done, whose answer is GRF_TARE_ANSWER_BYTES. */
int grf_service_tare(const grf_service_settings_t *settings, grf_service_t *service, const uint16_t *cells);
size_t grf_service_tared(uint8_t *answer);
#define GRF_TARE_ANSWER_BYTES 2u

/* A time request; `came_us` is when it came, `leaves_us` when the reply leaves, as late as can be told. Returns the
 * bytes to notify, 0 where it is none. */
size_t grf_service_time(const uint8_t *request, size_t size, uint32_t came_us, uint32_t leaves_us, uint8_t *reply);

/* The connection has ended: what ran and what was under way is over; what SET told stays. */
void grf_service_disconnected(grf_service_t *service);

#endif
