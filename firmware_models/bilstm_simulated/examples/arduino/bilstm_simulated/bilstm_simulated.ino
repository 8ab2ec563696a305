// Untested: nobody has run this on a board yet; what is tested is `make test` and the boards of sizes.json.
// A sketch is one flat folder. In the bundle's folder:
//   mkdir -p sketches/bilstm_simulated
//   cp examples/arduino/bilstm_simulated/bilstm_simulated.ino c/*.c c/*.h runtime/*.c runtime/*.h sketches/bilstm_simulated/
//   arduino-cli compile --fqbn YOUR:BOARD:HERE sketches/bilstm_simulated
extern "C" {
#include "bilstm_simulated.h"
#include "bilstm_simulated_config.h"
#include "bilstm_simulated_golden.h"
}

static uint32_t scratch[GRF_BILSTM_SIMULATED_SCRATCH_WORDS];
static int8_t window[GRF_BILSTM_SIMULATED_GOLDEN_POINTS * GRF_BILSTM_SIMULATED_GOLDEN_COLUMNS];
static int8_t answer[GRF_BILSTM_SIMULATED_GOLDEN_POINTS * GRF_BILSTM_SIMULATED_GOLDEN_AXES];

void setup() {
    Serial.begin(115200);
}

void loop() {
    grf_input_signed(grf_bilstm_simulated_golden_raw[0], grf_bilstm_simulated_columns, GRF_BILSTM_SIMULATED_GOLDEN_COLUMNS,
                     GRF_BILSTM_SIMULATED_GOLDEN_POINTS, window);
    unsigned long before = micros();
    grf_status_t status = grf_model_run(&grf_bilstm_simulated, window, answer, scratch);
    unsigned long spent = micros() - before;
    bool same = memcmp(answer, grf_bilstm_simulated_golden_output[0], sizeof answer) == 0;
    Serial.print(status == GRF_OK && same ? "every byte equal, " : "DIFFERS, ");
    Serial.print(spent);
    Serial.println(" us");
    delay(1000);
}
