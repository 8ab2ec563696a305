/* What goes over the air, little endian: sensor packets (type 1), GRF samples (2) and GRF stances (3).
 *
 * Offsets are in firmware_models/README.md; host/grfkit/wire/packets.py is the other end, and both are held against one
 * table of bytes. Encoders answer the bytes written, 0 where there is no room; decoders 1, or 0 for what is no
 * packet. */
#ifndef GRF_PACKET_H
#define GRF_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define GRF_VERSION 1u
#define GRF_HEADER_BYTES 12u
#define GRF_SENSOR_BYTES 44u  /* of a sample */
#define GRF_SAMPLE_BYTES 10u  /* of a GRF sample */
#define GRF_FRAGMENT_BYTES 4u /* after the header of a stance's fragment */
#define GRF_CELLS 16u
#define GRF_IMU 6u
#define GRF_AXES 3u
#define GRF_MAX_POINTS 255u
#define GRF_STANCE_BYTES(points, axes) (20u + (axes) * (8u + (points)))

typedef enum { GRF_TYPE_SENSOR = 1, GRF_TYPE_SAMPLES = 2, GRF_TYPE_STANCE = 3 } grf_packet_type_t;

enum {
    GRF_FLAG_RIGHT = 1,
    GRF_FLAG_DROPPED = 2,
    GRF_FLAG_TIME_JUMP = 4,
    GRF_FLAG_SATURATED = 8,
    GRF_FLAG_TARED = 16
};

typedef struct {
    uint8_t type; /* grf_packet_type_t */
    uint8_t flags;
    uint16_t sequence;
    uint32_t time_us; /* of the first sample; of initial contact for a stance */
    uint16_t counter; /* sample counter of the same */
    uint8_t count;    /* samples, or bytes of a stance's fragment */
    uint8_t cfg_id;
} grf_header_t;

typedef struct {
    uint16_t cells[GRF_CELLS]; /* counts */
    int16_t imu[GRF_IMU];      /* counts */
} grf_sensor_t;

typedef struct {
    int16_t fx, fy;         /* 0.1 N */
    int16_t fz;             /* 0.2 N */
    int16_t cop_x, cop_y;   /* 0.1 mm */
} grf_sample_t;

/* One contact. Force of axis a at point p, in BW: offset_bw[a] + scale_bw[a] * curve[p * axes + a]. */
typedef struct {
    uint32_t model_id;     /* CRC-32 of the .tflite */
    uint16_t contact_100us; /* contact time, 0.1 ms */
    uint8_t points;
    uint8_t axes;          /* bit 0 forward, 1 medial, 2 up; curves in this order */
    uint8_t missed;        /* samples of the stance that were repeated, 255: or more */
    uint8_t peak_point;    /* where the vertical force is largest */
    int16_t peak_mbw;      /* vertical peak, 0.001 BW */
    int16_t impulse_100ubw_s; /* vertical impulse, 0.0001 BW s */
    int16_t braking_mbw;   /* least forward force, 0.001 BW */
    int16_t propulsion_mbw; /* largest forward force, 0.001 BW */
    float offset_bw[GRF_AXES], scale_bw[GRF_AXES];
    const int8_t *curve;
} grf_report_t;

typedef struct {
    uint16_t stance_id;
    uint8_t fragment, fragments;
    const uint8_t *bytes; /* header.count of them */
} grf_fragment_t;

size_t grf_header_encode(const grf_header_t *header, uint8_t *to);
int grf_header_decode(const uint8_t *from, size_t size, grf_header_t *header);

/* header->count samples; header->type must be the kind's. */
size_t grf_sensor_encode(const grf_header_t *header, const grf_sensor_t *samples, uint8_t *to, size_t room);
size_t grf_samples_encode(const grf_header_t *header, const grf_sample_t *samples, uint8_t *to, size_t room);

/* Sample k of a whole packet. */
int grf_sensor_decode(const uint8_t *from, size_t size, uint8_t k, grf_sensor_t *sample);
int grf_samples_decode(const uint8_t *from, size_t size, uint8_t k, grf_sample_t *sample);

/* Fills in the features from the curves. */
void grf_report_features(grf_report_t *report);

/* A stance as one run of bytes, then cut into packets of at most `room` bytes (MTU - 3). */
uint8_t grf_axes_count(uint8_t axes);
size_t grf_report_encode(const grf_report_t *report, uint8_t *to, size_t room);
int grf_report_decode(const uint8_t *from, size_t size, grf_report_t *report);
uint8_t grf_fragments(size_t size, size_t room);
size_t grf_fragment_encode(const grf_header_t *header, uint16_t stance_id, uint8_t fragment, const uint8_t *report,
                           size_t size, uint8_t *to, size_t room);
int grf_fragment_decode(const uint8_t *from, size_t size, grf_fragment_t *fragment);

#endif
