// Untested: nobody has run this on a board yet; what is tested is `make test` and the boards of sizes.json.
// A sketch is one flat folder. In the bundle's folder:
//   mkdir -p sketches/tcn_simulated
//   cp examples/arduino/tcn_simulated/tcn_simulated.ino c/*.c c/*.h runtime/*.c runtime/*.h sketches/tcn_simulated/
//   arduino-cli compile --fqbn YOUR:BOARD:HERE sketches/tcn_simulated
extern "C" {
#include "tcn_simulated.h"
#include "tcn_simulated_config.h"
#include "tcn_simulated_golden.h"
}

static uint32_t scratch[GRF_TCN_SIMULATED_SCRATCH_WORDS];
static int8_t window[GRF_TCN_SIMULATED_GOLDEN_POINTS * GRF_TCN_SIMULATED_GOLDEN_COLUMNS];
static int8_t answer[GRF_TCN_SIMULATED_GOLDEN_POINTS * GRF_TCN_SIMULATED_GOLDEN_AXES];

void setup() {
    Serial.begin(115200);
}

void loop() {
    grf_input_signed(grf_tcn_simulated_golden_raw[0], grf_tcn_simulated_columns, GRF_TCN_SIMULATED_GOLDEN_COLUMNS,
                     GRF_TCN_SIMULATED_GOLDEN_POINTS, window);
    unsigned long before = micros();
    grf_status_t status = grf_model_run(&grf_tcn_simulated, window, answer, scratch);
    unsigned long spent = micros() - before;
    bool same = memcmp(answer, grf_tcn_simulated_golden_output[0], sizeof answer) == 0;
    Serial.print(status == GRF_OK && same ? "every byte equal, " : "DIFFERS, ");
    Serial.print(spent);
    Serial.println(" us");
    delay(1000);
}
