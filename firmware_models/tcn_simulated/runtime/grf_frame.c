#include "grf_frame.h"

#define CRC_START 0xFFFFu
#define CRC_POLYNOMIAL 0x1021u
#define CRC_BYTES 2u
#define FULL 255u /* the code of a block of 254 bytes that no zero follows */

static uint32_t crc_of(uint32_t crc, uint8_t byte)
{
    crc ^= (uint32_t)byte << 8;
    for (int bit = 0; bit < 8; ++bit) {
        crc = (crc & 0x8000u) != 0u ? (crc << 1) ^ CRC_POLYNOMIAL : crc << 1;
    }
    return crc & 0xFFFFu;
}

uint16_t grf_frame_crc(const uint8_t *content, size_t size)
{
    uint32_t crc = CRC_START;
    for (size_t k = 0; k < size; ++k) {
        crc = crc_of(crc, content[k]);
    }
    return (uint16_t)crc;
}

/* Where the block that is being written has its code, and what is written so far. */
typedef struct {
    uint8_t *to;
    size_t code, end;
} blocks_t;

static void open_block(blocks_t *blocks)
{
    blocks->code = blocks->end;
    blocks->to[blocks->end++] = 1u;
}

static void put(blocks_t *blocks, uint8_t byte)
{
    if (blocks->to[blocks->code] == FULL) {
        open_block(blocks);
    }
    if (byte == 0u) {
        open_block(blocks);
        return;
    }
    blocks->to[blocks->end++] = byte;
    ++blocks->to[blocks->code];
}

size_t grf_frame_encode(const uint8_t *content, size_t size, uint8_t *to, size_t room)
{
    if (size == 0u || room < GRF_FRAME_BYTES(size)) {
        return 0;
    }
    uint16_t crc = grf_frame_crc(content, size);
    blocks_t blocks = {to, 0, 0};
    open_block(&blocks);
    for (size_t k = 0; k < size; ++k) {
        put(&blocks, content[k]);
    }
    put(&blocks, (uint8_t)(crc & 0xFFu));
    put(&blocks, (uint8_t)(crc >> 8));
    to[blocks.end++] = 0u;
    return blocks.end;
}

/* COBS back: what is written never runs ahead of what is read, so that both may be one memory. */
static size_t unstuffed(const uint8_t *frame, size_t size, uint8_t *to)
{
    size_t end = 0;
    for (size_t at = 0; at < size;) {
        size_t block = frame[at];
        int full = block == FULL;
        if (block == 0u || block > size - at) {
            return 0;
        }
        for (size_t k = 1; k < block; ++k) {
            uint8_t byte = frame[at + k];
            if (byte == 0u) {
                return 0;
            }
            to[end++] = byte;
        }
        at += block;
        if (!full && at < size) {
            to[end++] = 0u;
        }
    }
    return end;
}

size_t grf_frame_decode(const uint8_t *frame, size_t size, uint8_t *content, size_t room)
{
    size_t whole = size > room ? 0u : unstuffed(frame, size, content);
    if (whole <= CRC_BYTES) {
        return 0;
    }
    size_t end = whole - CRC_BYTES;
    uint32_t said = content[end] | (uint32_t)content[end + 1u] << 8;
    return said == grf_frame_crc(content, end) ? end : 0u;
}

void grf_deframer_start(grf_deframer_t *state, uint8_t *held, size_t room)
{
    state->held = held;
    state->room = room;
    state->count = 0;
    state->broken = 0;
    state->overlong = 0;
}

size_t grf_deframer_push(grf_deframer_t *state, uint8_t byte)
{
    if (byte != 0u) {
        if (state->count == state->room) {
            state->count = 0;
            state->overlong = 1;
        }
        if (state->room != 0u) {
            state->held[state->count++] = byte;
        }
        return 0;
    }
    size_t size = state->count, content = 0;
    uint8_t overlong = state->overlong;
    state->count = 0;
    state->overlong = 0;
    if (size == 0u && overlong == 0u) {
        return 0;
    }
    if (overlong == 0u) {
        content = grf_frame_decode(state->held, size, state->held, state->room);
    }
    state->broken += content == 0u;
    return content;
}
