/* From samples to packets: contacts, stance, levels of the cells, int8, model, report, fragments. */
#include "insole.h"

#include "bilstm_simulated_config.h"

static grf_bilstm_simulated_memory_t memory;
static grf_insole_t insole;
static grf_report_t report;
static uint8_t bytes[GRF_BILSTM_SIMULATED_REPORT_BYTES], packet[INSOLE_ROOM];
static uint16_t sequence, stance_id;

int insole_begin(int left)
{
    grf_insole_memory_t given = grf_bilstm_simulated_memory(&memory);
    sequence = 0;
    return grf_insole_start(&grf_bilstm_simulated_insole, &insole, &given, left);
}

void insole_tell(unsigned place, int16_t count)
{
    if (place < GRF_INSOLE_TOLD) {
        insole.told[place] = count;
    }
}

static void send_report(uint32_t now_us, uint16_t counter)
{
    size_t size = grf_report_encode(&report, bytes, sizeof bytes);
    uint32_t ago_q8 = insole.info.age_q8 - 256u; /* samples before this one, in 1/256 */
    grf_header_t header = {GRF_TYPE_STANCE, insole.left ? 0 : GRF_FLAG_RIGHT, 0, 0, 0, 0, 0};
    header.time_us = now_us - (uint32_t)((float)ago_q8 * (1e6f / 256.0f / GRF_BILSTM_SIMULATED_RATE_HZ));
    header.counter = (uint16_t)(counter - (ago_q8 >> 8));
    for (uint8_t k = 0; k < grf_fragments(size, sizeof packet); ++k) {
        header.sequence = sequence++;
        insole_send(packet, grf_fragment_encode(&header, stance_id, k, bytes, size, packet, sizeof packet));
    }
    ++stance_id;
}

void insole_sample(const grf_sensor_t *sample, uint32_t now_us, uint16_t counter)
{
    if (grf_insole_push(&grf_bilstm_simulated_insole, &insole, sample, &report)) {
        send_report(now_us, counter);
    }
}
