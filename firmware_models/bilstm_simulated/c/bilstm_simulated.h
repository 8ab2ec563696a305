/* The model bilstm_simulated: give grf_model_run an array uint32_t scratch[GRF_BILSTM_SIMULATED_SCRATCH_WORDS]. */
#ifndef GRF_DATA_BILSTM_SIMULATED_H
#define GRF_DATA_BILSTM_SIMULATED_H

#include "grf_model.h"

#if GRF_RUNTIME != 3
#error "bilstm_simulated was exported with runtime 3 of grfkit: export the bundles of a program with one grfkit, use one runtime/"
#endif

#define GRF_BILSTM_SIMULATED_POINTS 101
#define GRF_BILSTM_SIMULATED_INPUTS 23
#define GRF_BILSTM_SIMULATED_OUTPUTS 3
#define GRF_BILSTM_SIMULATED_STREAM 0
#define GRF_BILSTM_SIMULATED_SCRATCH_BYTES 4088u
#define GRF_BILSTM_SIMULATED_SCRATCH_WORDS (GRF_BILSTM_SIMULATED_SCRATCH_BYTES / 4u)
#define GRF_BILSTM_SIMULATED_INPUT_SCALE 0.127457082f
#define GRF_BILSTM_SIMULATED_INPUT_ZERO 27
#define GRF_BILSTM_SIMULATED_OUTPUT_SCALE 0.00977454334f
#define GRF_BILSTM_SIMULATED_OUTPUT_ZERO -5

extern const grf_model_t grf_bilstm_simulated;

#endif
