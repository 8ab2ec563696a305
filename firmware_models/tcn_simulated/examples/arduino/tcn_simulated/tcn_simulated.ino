// Untested: nobody has run this on a board yet; what is tested is `make test` and the boards of sizes.json.
// Copy the files of c/ (without test_golden.c) and runtime/ beside this sketch.
extern "C" {
#include "tcn_simulated.h"
#include "tcn_simulated_config.h"
#include "golden.h"
}

static uint32_t scratch[GRF_TCN_SIMULATED_SCRATCH_WORDS];
static int8_t window[GRF_GOLDEN_POINTS * GRF_GOLDEN_COLUMNS], answer[GRF_GOLDEN_POINTS * GRF_GOLDEN_AXES];

void setup() {
    Serial.begin(115200);
}

void loop() {
    grf_input_signed(golden_raw[0], grf_tcn_simulated_columns, GRF_GOLDEN_COLUMNS, GRF_GOLDEN_POINTS, window);
    unsigned long before = micros();
    grf_status_t status = grf_model_run(&grf_tcn_simulated, window, answer, scratch);
    unsigned long spent = micros() - before;
    bool same = memcmp(answer, golden_output[0], sizeof answer) == 0;
    Serial.print(status == GRF_OK && same ? "every byte equal, " : "DIFFERS, ");
    Serial.print(spent);
    Serial.println(" us");
    delay(1000);
}
