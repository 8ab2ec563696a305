/* Packets on a serial line: COBS(content, CRC-16/CCITT-FALSE of it, little endian) and a zero.
 *
 * The content is a packet as it goes over the air, or one byte (2 Info, 3 control point, 6 time sync) and the value.
 * host/grfkit/device/serial_port.py is the other end. */
#ifndef GRF_FRAME_H
#define GRF_FRAME_H

#include <stddef.h>
#include <stdint.h>

/* The most bytes that a content of so many takes on the line, the closing zero included. */
#define GRF_FRAME_BYTES(size) ((size) + 2u + ((size) + 2u) / 254u + 2u)

/* Bytes as they come in. `held` is the caller's, `room` bytes: enough for the longest frame without its zero; what is
 * longer is dropped as it comes. */
typedef struct {
    uint8_t *held;
    size_t room;
    size_t count;
    uint32_t broken; /* frames that were none: of a wrong CRC, not COBS, too long */
    uint8_t overlong;
} grf_deframer_t;

/* CRC-16/CCITT-FALSE: of "123456789" 0x29B1. */
uint16_t grf_frame_crc(const uint8_t *content, size_t size);

/* Answers the bytes written, the closing zero among them; 0 where `room` is below GRF_FRAME_BYTES or `size` is 0. */
size_t grf_frame_encode(const uint8_t *content, size_t size, uint8_t *to, size_t room);

/* A frame without its zero; `content` may be `frame` itself, else it has room for as many bytes as the frame. Answers
 * the bytes of the content, 0 for what is none. */
size_t grf_frame_decode(const uint8_t *frame, size_t size, uint8_t *content, size_t room);

void grf_deframer_start(grf_deframer_t *state, uint8_t *held, size_t room);

/* Takes a byte. Where it ends a frame that is one, answers the bytes of its content, which lies at `held` until the
 * next byte; else 0. A zero sent before a frame ends whatever garbage came before. */
size_t grf_deframer_push(grf_deframer_t *state, uint8_t byte);

#endif
