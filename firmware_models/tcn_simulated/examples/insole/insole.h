/* An insole with tcn_simulated in it: write the functions of the board, call the others. Nothing here waits. */
#ifndef INSOLE_H
#define INSOLE_H

#include "grf_clock.h"
#include "grf_device.h"

#ifndef INSOLE_RATE_MHZ
#define INSOLE_RATE_MHZ 100000u /* of the samples, 0.001 Hz: the model's, or whole hertz and a multiple of it */
#endif
#define INSOLE_ADC_BITS 12u       /* of a cell's count */
#define INSOLE_ACCEL_G 16u        /* full range of the inertial sensor, g, */
#define INSOLE_GYRO_DPS 2000u     /* and deg/s */
#define INSOLE_PACKETS 16u        /* that may wait for the air: half a second of samples, and three stances */

/* The board's.
 *
 * insole_send: notifies a value, or indicates one of GRF_CONTROL_POINT. 1: the stack took it. 0: it had no room, or
 * nobody listens: the value is kept, and offered again by insole_work. */
int insole_send(grf_characteristic_t characteristic, const uint8_t *value, size_t size);
uint32_t insole_now_us(void); /* the clock that samples bear, as grf_ticks_us makes it of a counter */
uint32_t insole_lock(void);   /* insole_sample does not run until insole_unlock; both do nothing where it cannot */
void insole_unlock(uint32_t key);

/* Once. left: 1 for a left shoe. 0: the settings cannot be. */
int insole_begin(int left);

/* Every sample, at INSOLE_RATE_MHZ, from a timer's interrupt or a thread that goes before the others; a null pointer
 * where one was missed. time_us is its own. 1: there is work. */
int insole_sample(const grf_sensor_t *sample, uint32_t time_us);

/* All that follow, from one thread, which stands still while the model runs.
 * insole_work: after a sample that said so, and again while it answers 1 and the radio has room. */
int insole_work(void);
void insole_mtu(uint16_t mtu);   /* agreed on: packets are MTU - 3 bytes at most */
void insole_delivered(void);     /* an indication was confirmed */
void insole_disconnected(void);
void insole_written(grf_characteristic_t characteristic, const uint8_t *value, size_t size, uint32_t came_us);
size_t insole_info(uint8_t to[GRF_INFO_BYTES]); /* what is read of Info */

#endif
