/* From samples to packets. Write insole_send and call the others; nothing here waits. */
#ifndef INSOLE_H
#define INSOLE_H

#include <stddef.h>

#include "grf_packet.h"

/* Once, and again after each START. left: 1 for a left shoe. 0: the settings cannot be. */
int insole_begin(int left);

/* What SET told: number `place` of grf_<name>_config.h's told[], in counts of its column. */
void insole_tell(unsigned place, int16_t count);

/* Every sample, at the rate of the settings; a null pointer where one was missed. now_us and counter are its own. */
void insole_sample(const grf_sensor_t *sample, uint32_t now_us, uint16_t counter);

/* A whole packet of at most INSOLE_ROOM bytes: a notification, or a frame of a serial line. */
#define INSOLE_ROOM 244u
void insole_send(const uint8_t *packet, size_t size);

#endif
