/* The model tcn_simulated: give grf_model_run an array uint32_t scratch[GRF_TCN_SIMULATED_SCRATCH_WORDS]. */
#ifndef GRF_DATA_TCN_SIMULATED_H
#define GRF_DATA_TCN_SIMULATED_H

#include "grf_model.h"

#if GRF_RUNTIME != 3
#error "tcn_simulated was exported with runtime 3 of grfkit: export the bundles of a program with one grfkit, use one runtime/"
#endif

#define GRF_TCN_SIMULATED_POINTS 101
#define GRF_TCN_SIMULATED_INPUTS 23
#define GRF_TCN_SIMULATED_OUTPUTS 3
#define GRF_TCN_SIMULATED_STREAM 0
#define GRF_TCN_SIMULATED_SCRATCH_BYTES 6524u
#define GRF_TCN_SIMULATED_SCRATCH_WORDS (GRF_TCN_SIMULATED_SCRATCH_BYTES / 4u)
#define GRF_TCN_SIMULATED_INPUT_SCALE 0.127457082f
#define GRF_TCN_SIMULATED_INPUT_ZERO 27
#define GRF_TCN_SIMULATED_OUTPUT_SCALE 0.0100524463f
#define GRF_TCN_SIMULATED_OUTPUT_ZERO -4

extern const grf_model_t grf_tcn_simulated;

#endif
