#include "grf_service.h"

#include <string.h>

#include "grf_sender.h"

#define MAJOR 1u
#define MINOR 0u
#define ANSWER 0x80u    /* of the first byte of an answer */
#define LOWEST_HZ 10u   /* of a START, as grfkit.virtual.insole; chosen by hand */
#define QUIET_PER_MILLE 5u /* of its range a quiet cell moves at most, */
#define QUIET_COUNTS 2u    /* or so many counts, as grfkit.virtual.insole; chosen by hand */
#define START_BYTES 4u
#define SET_BYTES 6u

void grf_service_start(grf_service_t *service)
{
    memset(service, 0, sizeof *service);
}

static uint8_t *put(uint8_t *to, uint32_t value, uint32_t bytes)
{
    for (uint32_t k = 0; k < bytes; ++k) {
        *to++ = (uint8_t)(value >> (8u * k) & 0xFFu);
    }
    return to;
}

static uint32_t get(const uint8_t *from, uint32_t bytes)
{
    uint32_t value = 0;
    for (uint32_t k = bytes; k > 0; --k) {
        value = value << 8 | from[k - 1u];
    }
    return value;
}

size_t grf_service_info(const grf_service_settings_t *settings, uint8_t *to)
{
    uint8_t *end = put(to, MAJOR | MINOR << 8, 2);
    end = put(end, settings->right ? 1u : 0u, 1);
    end = put(end, GRF_CELLS, 1);
    end = put(end, settings->adc_bits, 2);
    end = put(end, settings->accel_range_g, 2);
    end = put(end, settings->gyro_range_dps, 2);
    (void)put(end, settings->model_id, 4);
    return GRF_INFO_BYTES;
}

static uint8_t *put_running(uint8_t *to, const grf_running_t *running)
{
    to = put(to, running->cfg_id, 1);
    to = put(to, running->per_packet, 1);
    to = put(to, running->rate_hz, 2);
    return put(to, running->period_us, 4);
}

/* Whether the model can take every so many of the samples of a rate. */
static int feeds_model(const grf_service_settings_t *settings, uint32_t rate_hz)
{
    return settings->model_mhz > 0 && rate_hz * 1000u >= settings->model_mhz &&
           rate_hz * 1000u % settings->model_mhz == 0;
}

static uint8_t start_status(const grf_service_settings_t *settings, const grf_service_t *service, uint16_t mtu,
                            uint32_t streams, uint32_t rate_hz)
{
    if (service->runs) {
        return GRF_BUSY;
    }
    if (rate_hz < LOWEST_HZ || rate_hz > settings->rate_hz || settings->rate_hz % rate_hz != 0 ||
        (streams & GRF_STREAM_SAMPLES) != 0 ||
        ((streams & GRF_STREAM_STANCE) != 0 && !feeds_model(settings, rate_hz))) {
        return GRF_BAD_PARAMETER;
    }
    return grf_samples_per_packet(mtu) == 0 ? GRF_MTU_TOO_SMALL : GRF_DONE;
}

static uint8_t start(const grf_service_settings_t *settings, grf_service_t *service, uint16_t mtu,
                     const uint8_t *request, uint8_t **end)
{
    uint32_t streams = request[1], rate_hz = get(request + 2, 2);
    uint8_t status = start_status(settings, service, mtu, streams, rate_hz);
    if (status != GRF_DONE) {
        return status;
    }
    service->cfg_id = (uint8_t)(service->cfg_id % 255u + 1u); /* 1 to 255 */
    grf_running_t running = {service->cfg_id, grf_samples_per_packet(mtu), (uint16_t)rate_hz,
                             (1000000u + rate_hz / 2u) / rate_hz};
    service->running = running;
    service->streams = (uint8_t)streams;
    service->mtu = mtu;
    service->waits = 1;
    *end = put_running(*end, &running);
    return GRF_DONE;
}

/* What a person is, how fast one goes, and how steep, in counts of the profile. */
static int within_limits(uint32_t key, int32_t value)
{
    switch (key) {
    case GRF_SET_MASS:
        return value >= 1000 && value <= 25000; /* 10 to 250 kg */
    case GRF_SET_SPEED:
        return value >= 0 && value <= 15000; /* 15 m/s */
    default:
        return value >= -4500 && value <= 4500; /* 45 % */
    }
}

static uint8_t set(grf_service_t *service, const uint8_t *request)
{
    uint32_t key = request[1], bits = get(request + 2, 4);
    int32_t value = bits > 0x7FFFFFFFu ? -(int32_t)(0xFFFFFFFFu - bits) - 1 : (int32_t)bits;
    if (key < GRF_SET_MASS || key >= GRF_SET_KEYS || !within_limits(key, value)) {
        return GRF_BAD_PARAMETER;
    }
    service->value[key] = value;
    service->known[key] = 1;
    return GRF_DONE;
}

static void begin_tare(grf_service_t *service)
{
    service->before = 0;
    service->quiet = 0;
    memset(service->sum, 0, sizeof service->sum);
    service->tares = 1;
}

/* Whether these bytes are a request at all. */
static uint8_t parsed(const uint8_t *request, size_t size)
{
    if (size == 0 || request[0] < GRF_START || request[0] > GRF_SET) {
        return GRF_UNKNOWN_OP;
    }
    if (request[0] == GRF_START) {
        int sound = size == START_BYTES && request[1] > 0 && request[1] < 8u && get(request + 2, 2) > 0;
        return sound ? GRF_DONE : GRF_BAD_PARAMETER;
    }
    if (request[0] == GRF_SET) {
        int sound = size == SET_BYTES && request[1] >= GRF_SET_MASS && request[1] < GRF_SET_KEYS;
        return sound ? GRF_DONE : GRF_BAD_PARAMETER;
    }
    return size == 1 ? GRF_DONE : GRF_BAD_PARAMETER;
}

static uint8_t perform(const grf_service_settings_t *settings, grf_service_t *service, uint16_t mtu,
                       const uint8_t *request, uint8_t **end)
{
    grf_running_t none = {0, 0, 0, 0};
    switch (request[0]) {
    case GRF_START:
        return start(settings, service, mtu, request, end);
    case GRF_STOP:
        service->runs = service->waits = 0;
        return GRF_DONE;
    case GRF_GET:
        *end += grf_service_info(settings, *end);
        *end = put_running(*end, service->runs ? &service->running : &none);
        return GRF_DONE;
    case GRF_SET:
        return set(service, request);
    default:
        begin_tare(service);
        return GRF_DONE;
    }
}

size_t grf_service_control(const grf_service_settings_t *settings, grf_service_t *service, uint16_t mtu,
                           const uint8_t *request, size_t size, uint8_t *answer)
{
    uint8_t *end = answer + 2, status = parsed(request, size), op = size > 0 ? request[0] : 0;
    if (status == GRF_DONE && service->tares && op != GRF_STOP && op != GRF_GET) {
        status = GRF_BUSY;
    }
    if (status == GRF_DONE) {
        status = perform(settings, service, mtu, request, &end);
        if (op == GRF_TARE) {
            return 0;
        }
    }
    if ((uint32_t)(end - answer) + GRF_ATT_BYTES > mtu) {
        status = GRF_MTU_TOO_SMALL;
        end = answer + 2;
    }
    answer[0] = (uint8_t)(ANSWER | op);
    answer[1] = status;
    return (size_t)(end - answer);
}

int grf_service_delivered(grf_service_t *service)
{
    int begins = service->waits;
    service->waits = 0;
    service->runs = (uint8_t)(service->runs || begins);
    return begins;
}

int grf_service_tare(const grf_service_settings_t *settings, grf_service_t *service, const uint16_t *cells)
{
    uint32_t range = (1u << settings->adc_bits) * QUIET_PER_MILLE, least = QUIET_COUNTS * 1000u;
    uint32_t quiet = service->before;
    uint32_t most = range > least ? range : least; /* in 1/1000 counts */
    for (uint32_t k = 0; k < GRF_CELLS; ++k) {
        uint32_t before = service->cells[k], now = cells[k];
        quiet = quiet && (now > before ? now - before : before - now) * 1000u <= most;
    }
    for (uint32_t k = 0; k < GRF_CELLS; ++k) {
        service->sum[k] += quiet ? cells[k] : 0u;
        service->cells[k] = cells[k];
    }
    service->before = 1;
    service->quiet = (uint16_t)(service->quiet + quiet);
    if (!service->tares || service->quiet < GRF_TARE_SAMPLES) {
        return 0;
    }
    for (uint32_t k = 0; k < GRF_CELLS; ++k) {
        service->tare[k] = (uint16_t)((service->sum[k] + GRF_TARE_SAMPLES / 2u) / GRF_TARE_SAMPLES);
    }
    service->tares = 0;
    service->tared = 1;
    return 1;
}

size_t grf_service_tared(uint8_t *answer)
{
    answer[0] = (uint8_t)(ANSWER | GRF_TARE);
    answer[1] = GRF_DONE;
    return GRF_TARE_ANSWER_BYTES;
}

size_t grf_service_time(const uint8_t *request, size_t size, uint32_t came_us, uint32_t leaves_us, uint8_t *reply)
{
    if (size != GRF_TIME_REQUEST_BYTES) {
        return 0;
    }
    memcpy(reply, request, GRF_TIME_REQUEST_BYTES); /* the host's number and its time come back as they are */
    uint8_t *end = put(reply + GRF_TIME_REQUEST_BYTES, came_us, 4);
    (void)put(end, leaves_us, 4);
    return GRF_TIME_REPLY_BYTES;
}

void grf_service_disconnected(grf_service_t *service)
{
    service->runs = service->waits = service->tares = 0;
}
