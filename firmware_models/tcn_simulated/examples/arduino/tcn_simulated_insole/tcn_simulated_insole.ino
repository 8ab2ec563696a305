// Untested: nobody has run this on a board yet; what is tested is `make test` and the boards of sizes.json.
// An insole on a serial line, for `grf-monitor --serial PORT`. A sketch is one flat folder. In the bundle's folder:
//   mkdir -p sketches/tcn_simulated_insole
//   cp examples/arduino/tcn_simulated_insole/tcn_simulated_insole.ino examples/insole/insole.[ch] sketches/tcn_simulated_insole/
//   cp c/tcn_simulated*.[ch] runtime/*.c runtime/*.h sketches/tcn_simulated_insole/
//   arduino-cli compile --fqbn YOUR:BOARD:HERE sketches/tcn_simulated_insole
// Fill in read_sample. While the model runs, samples are missed, and told as missed: where the board has threads or
// timer interrupts, call insole_sample from one of these (and write insole_lock and insole_unlock).
extern "C" {
#include "grf_frame.h"
#include "insole.h"
}

static const uint32_t TICKS_PER_S = 1000000;  // of micros()
static const uint16_t LINE_MTU = 247;         // a serial line has none: the longest packets there are

static grf_pace_t pace;
static uint64_t clock_us, due_us;
static uint8_t line[600], frame[GRF_FRAME_BYTES(1 + GRF_PACKET_BYTES)], content[1 + GRF_PACKET_BYTES];
static grf_deframer_t deframer;
static bool answered;

// Packets are their own content; all else follows a byte that says what it is.
static int send_frame(grf_characteristic_t what, const uint8_t *value, size_t size) {
    bool packet = what == GRF_SENSOR_DATA || what == GRF_GRF_DATA;
    content[0] = (uint8_t)what;
    memcpy(content + (packet ? 0 : 1), value, size);
    size_t bytes = grf_frame_encode(content, size + (packet ? 0 : 1), frame, sizeof frame);
    if (Serial.write(frame, bytes) == bytes) {
        return 1;
    }
    Serial.write((uint8_t)0);  // ends the part that went out
    return 0;
}

extern "C" int insole_send(grf_characteristic_t characteristic, const uint8_t *value, size_t size) {
    int sent = send_frame(characteristic, value, size);
    answered = answered || (sent && characteristic == GRF_CONTROL_POINT);  // a line confirms nothing: sent is delivered
    return sent;
}

extern "C" uint32_t insole_now_us(void) {
    return (uint32_t)grf_widened(&clock_us, micros());
}

extern "C" uint32_t insole_lock(void) {
    return 0;
}

extern "C" void insole_unlock(uint32_t key) {
    (void)key;
}

static bool read_sample(grf_sensor_t *to) {
    (void)to;  // 16 cells as the converter counts them, acceleration and angular velocity in the IMU's counts
    return false;
}

static void take(const uint8_t *bytes, size_t size) {
    uint8_t info[GRF_INFO_BYTES];
    if (size == 1 && bytes[0] == GRF_INFO) {
        send_frame(GRF_INFO, info, insole_info(info));
    } else if (bytes[0] == GRF_CONTROL_POINT || bytes[0] == GRF_TIME_SYNC) {
        insole_written((grf_characteristic_t)bytes[0], bytes + 1, size - 1, insole_now_us());
    }
}

void setup() {
    Serial.begin(460800);
    grf_deframer_start(&deframer, line, sizeof line);
    insole_begin(1);
    insole_mtu(LINE_MTU);
    grf_pace_start(&pace, grf_widened(&clock_us, micros()), TICKS_PER_S, INSOLE_RATE_MHZ);
    due_us = grf_pace_next(&pace);
}

void loop() {
    grf_sensor_t sample;
    uint64_t now_us = grf_widened(&clock_us, micros());
    if (now_us >= due_us) {
        uint64_t at_us = due_us;
        due_us = grf_pace_next(&pace);
        bool late = now_us >= due_us;  // by a whole period: that sample was missed
        insole_sample(!late && read_sample(&sample) ? &sample : NULL, (uint32_t)at_us);
        return;
    }
    while (Serial.available() > 0) {
        size_t size = grf_deframer_push(&deframer, (uint8_t)Serial.read());
        if (size > 0) {
            take(line, size);
        }
    }
    insole_work();
    if (answered) {
        answered = false;
        insole_delivered();
    }
}
