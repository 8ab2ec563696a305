#include "grf_sender.h"

#include <string.h>

enum { SENSOR = 0, FORCE = 1 }; /* places in `sequence` and `gone` */

uint8_t grf_samples_per_packet(uint16_t mtu)
{
    uint32_t head = GRF_ATT_BYTES + GRF_HEADER_BYTES;
    uint32_t count = mtu > head ? (mtu - head) / GRF_SENSOR_BYTES : 0u;
    return (uint8_t)(count < GRF_MOST_SAMPLES ? count : GRF_MOST_SAMPLES);
}

int grf_sender_start(grf_sender_t *sender, grf_packet_t *packet, uint16_t packets)
{
    memset(sender, 0, sizeof *sender);
    sender->packet = packet;
    sender->packets = packets;
    return packet != 0 && packets > 0;
}

static uint32_t kind_of(const grf_packet_t *packet)
{
    return packet->characteristic == GRF_SENSOR_DATA ? SENSOR : FORCE;
}

/* The slot of a packet that comes last; the oldest makes room where there is none. */
static grf_packet_t *slot(grf_sender_t *sender)
{
    if (sender->held == sender->packets) {
        sender->gone[kind_of(&sender->packet[sender->first])] = 1;
        sender->first = (uint16_t)((sender->first + 1u) % sender->packets);
        --sender->held;
        ++sender->dropped;
    }
    return &sender->packet[((uint32_t)sender->first + sender->held++) % sender->packets];
}

static uint8_t room_of(const grf_sender_settings_t *settings)
{
    uint32_t room = settings->mtu > GRF_ATT_BYTES ? settings->mtu - GRF_ATT_BYTES : 0u;
    return (uint8_t)(room < GRF_PACKET_BYTES ? room : GRF_PACKET_BYTES);
}

static uint8_t flags_of(const grf_sender_settings_t *settings, const grf_sender_t *sender)
{
    return (uint8_t)((settings->right ? GRF_FLAG_RIGHT : 0) | (sender->tared ? GRF_FLAG_TARED : 0));
}

static int saturated(const grf_sender_settings_t *settings, const grf_sensor_t *sample)
{
    uint32_t top = (1u << settings->adc_bits) - 1u;
    for (uint32_t k = 0; k < GRF_CELLS; ++k) {
        if (sample->cells[k] >= top) {
            return 1;
        }
    }
    for (uint32_t k = 0; k < GRF_IMU; ++k) {
        if (sample->imu[k] == INT16_MAX || sample->imu[k] == INT16_MIN) {
            return 1;
        }
    }
    return 0;
}

/* Makes a packet of what is gathered. */
static void close_packet(const grf_sender_settings_t *settings, grf_sender_t *sender)
{
    if (sender->gathered == 0) {
        return;
    }
    grf_packet_t *packet = slot(sender);
    sender->head.flags = (uint8_t)(sender->head.flags | flags_of(settings, sender));
    sender->head.sequence = sender->sequence[SENSOR]++;
    sender->head.count = sender->gathered;
    packet->characteristic = GRF_SENSOR_DATA;
    packet->size = (uint8_t)grf_sensor_encode(&sender->head, sender->samples, packet->bytes, room_of(settings));
    sender->gathered = 0;
}

void grf_sender_sample(const grf_sender_settings_t *settings, grf_sender_t *sender, const grf_sensor_t *sample,
                       uint32_t time_us, uint16_t counter)
{
    uint32_t most = settings->per_packet < GRF_MOST_SAMPLES ? settings->per_packet : GRF_MOST_SAMPLES;
    if (sample == 0) {
        close_packet(settings, sender); /* samples of a packet follow each other */
        return;
    }
    if (sender->gathered == 0) {
        grf_header_t head = {GRF_TYPE_SENSOR, 0, 0, time_us, counter, 0, settings->cfg_id};
        sender->head = head;
    }
    if (saturated(settings, sample)) {
        sender->head.flags |= GRF_FLAG_SATURATED;
    }
    sender->samples[sender->gathered++] = *sample;
    if (sender->gathered >= most) {
        close_packet(settings, sender);
    }
}

uint8_t grf_sender_report(const grf_sender_settings_t *settings, grf_sender_t *sender, const uint8_t *report,
                          size_t size, uint32_t time_us, uint16_t counter)
{
    grf_header_t head = {GRF_TYPE_STANCE, flags_of(settings, sender), 0, time_us, counter, 0, settings->cfg_id};
    uint8_t room = room_of(settings), fragments = grf_fragments(size, room);
    for (uint8_t k = 0; k < fragments; ++k) {
        grf_packet_t *packet = slot(sender);
        head.sequence = sender->sequence[FORCE]++;
        packet->characteristic = GRF_GRF_DATA;
        packet->size =
            (uint8_t)grf_fragment_encode(&head, sender->stance_id, k, report, size, packet->bytes, room);
    }
    ++sender->stance_id;
    return fragments;
}

const grf_packet_t *grf_sender_next(grf_sender_t *sender)
{
    if (!sender->leaves && sender->held > 0) {
        grf_packet_t *packet = &sender->leaving;
        *packet = sender->packet[sender->first];
        sender->first = (uint16_t)((sender->first + 1u) % sender->packets);
        --sender->held;
        sender->leaves = 1;
        if (sender->gone[kind_of(packet)]) {
            sender->gone[kind_of(packet)] = 0;
            packet->bytes[1] |= GRF_FLAG_DROPPED; /* the flags of every packet */
        }
    }
    return sender->leaves ? &sender->leaving : 0;
}

void grf_sender_sent(grf_sender_t *sender)
{
    sender->leaves = 0;
}
