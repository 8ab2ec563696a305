// Untested: nobody has run this on a board yet; what is tested is `make test` and the boards of sizes.json.
// Copy c/ (without test_golden.c), runtime/ and examples/insole/ beside this sketch and fill in read_sample.
extern "C" {
#include "insole.h"
}

static grf_sensor_t sample;
static uint32_t due_us;
static uint16_t counter;

extern "C" void insole_send(const uint8_t *packet, size_t size) {
    Serial.write(packet, size);  // a serial line wants COBS and a CRC around it: see firmware_models/README.md
}

static bool read_sample(grf_sensor_t *to) {
    (void)to;  // 16 cells as the converter counts them, acceleration and angular velocity in the IMU's counts
    return false;
}

void setup() {
    Serial.begin(460800);
    insole_begin(1);
    due_us = micros();
}

void loop() {
    if ((int32_t)(micros() - due_us) < 0) {
        return;
    }
    insole_sample(read_sample(&sample) ? &sample : NULL, due_us, counter++);
    due_us += 10000;
}
