/* Packets that wait for the air: samples and stances cut to the room of a notification, each kept until it is sent.
 *
 * Where one comes too many the oldest goes, and the next one of its characteristic bears the flag that says so. The
 * twin is grfkit.virtual.ring.TransmitRing. */
#ifndef GRF_SENDER_H
#define GRF_SENDER_H

#include "grf_packet.h"
#include "grf_radio.h"

#define GRF_ATT_BYTES 3u      /* of a notification before its value: a value has MTU - 3 */
#define GRF_PACKET_BYTES 244u /* of a packet at most: an MTU of 247 fills one PDU of 251 bytes */
#define GRF_MOST_SAMPLES 5u   /* of a sensor packet, by the profile */

typedef struct {
    uint8_t characteristic; /* grf_characteristic_t */
    uint8_t size;           /* bytes */
    uint8_t bytes[GRF_PACKET_BYTES];
} grf_packet_t;

/* What START settled. */
typedef struct {
    uint16_t mtu;       /* bytes */
    uint8_t cfg_id;
    uint8_t per_packet; /* samples of a sensor packet: grf_samples_per_packet */
    uint8_t right;      /* 1: of a right foot */
    uint8_t adc_bits;   /* of a cell: the greatest count is saturated */
} grf_sender_settings_t;

typedef struct {
    grf_packet_t *packet; /* of the caller's, */
    uint16_t packets;     /* so many */
    uint16_t first, held;
    grf_packet_t leaving; /* the one that is offered, while `leaves` is 1 */
    uint8_t leaves;
    uint8_t tared;
    uint8_t gone[2];      /* 1: packets were dropped before the next one; of sensor data and GRF data */
    uint16_t sequence[2]; /* of the next packet */
    uint16_t stance_id;   /* of the next stance */
    uint32_t dropped;     /* packets */
    grf_header_t head;    /* of the samples that are gathered */
    uint8_t gathered;
    grf_sensor_t samples[GRF_MOST_SAMPLES];
} grf_sender_t;

/* Samples that a sensor packet holds at an MTU; 0: none fits, and START answers GRF_MTU_TOO_SMALL. */
uint8_t grf_samples_per_packet(uint16_t mtu);

/* Forgets what waited; sequences begin at 0. 0: no memory. */
int grf_sender_start(grf_sender_t *sender, grf_packet_t *packet, uint16_t packets);

/* A sample, or a null pointer where it was missed; time_us and counter are its own. */
void grf_sender_sample(const grf_sender_settings_t *settings, grf_sender_t *sender, const grf_sensor_t *sample,
                       uint32_t time_us, uint16_t counter);

/* The bytes of grf_report_encode; time_us and counter are those of initial contact. Returns the packets made of it. */
uint8_t grf_sender_report(const grf_sender_settings_t *settings, grf_sender_t *sender, const uint8_t *report,
                          size_t size, uint32_t time_us, uint16_t counter);

/* The packet to be offered now, a null pointer where none waits: the same one until grf_sender_sent. */
const grf_packet_t *grf_sender_next(grf_sender_t *sender);
void grf_sender_sent(grf_sender_t *sender);

#endif
