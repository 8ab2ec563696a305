/* From samples to a stance report: all that lies between, in two calls.
 *
 * grf_insole_take is the sampling path: a row goes to the stance buffer, the levels of its cells and the contact
 * detector; at the toe-off of a stance its window is cut, and low-passed where the model wants that. grf_insole_answer
 * is the long one (tens of milliseconds on a Cortex-M4 of 64 MHz): the window's cells are set against the foot's own
 * steps, it becomes int8, and the model answers. The first may interrupt the second. The twins are
 * grfkit.embedded.insole and grfkit.virtual.stance. Samples come at the rate of the detector's settings. */
#ifndef GRF_INSOLE_H
#define GRF_INSOLE_H

#include "grf_input.h"
#include "grf_levels.h"
#include "grf_model.h"
#include "grf_packet.h"
#include "grf_stance.h"

/* Where a column of the model's input comes from. Channels come first, in the order of the stance buffer. */
enum {
    GRF_FROM_CELL = 0,     /* and the cell's number, 0 to 15 */
    GRF_FROM_IMU = 16,     /* and 0 to 5: acceleration x, y, z, angular velocity x, y, z */
    GRF_FROM_CONTACT = 32, /* the contact time, 0.1 ms */
    GRF_FROM_MISSING = 33, /* whether a channel is missing: never, for a window with gaps is refused */
    GRF_FROM_TOLD = 40,    /* and the place in `told` */
    GRF_FROM_TURNED = 128  /* and this where the sign turns on a left foot */
};

#define GRF_INSOLE_TOLD 8u

/* A point of an axis that is sent, where points have centres and sizes of their own and a report has one of each: what
 * the model answers, times the multiplier, plus the addend, over 65536. */
typedef struct {
    int32_t multiplier, addend;
} grf_curve_t;

typedef struct {
    const grf_model_t *model;
    const grf_channel_t *columns; /* model->inputs of them, as are the next */
    const uint8_t *from;
    const grf_detect_settings_t *contacts;
    const grf_stance_settings_t *buffer;
    const grf_levels_settings_t *levels;   /* a null pointer: cells as they are */
    const grf_lowpass_settings_t *lowpass; /* a null pointer: inertial signals as they are */
    uint32_t model_id;                     /* CRC-32 of the .tflite */
    uint32_t tick_q16;                     /* 1/256 samples in 0.1 ms, in 1/65536 */
    uint32_t rate_mhz;                     /* of the samples, 0.001 Hz */
    uint8_t axes;                          /* bit 0 forward, 1 medial, 2 up */
    uint8_t newtons;                       /* the model answers N: nothing is sent before bw_per_n is known */
    uint8_t column[GRF_AXES];              /* of the answer, for each axis that is sent */
    float offset[GRF_AXES], scale[GRF_AXES]; /* of each axis that is sent, BW or N */
    uint8_t told_key[GRF_INSOLE_TOLD];     /* the key of SET that tells each number of `told`; 0: none does */
    const grf_curve_t *curve;              /* by point, then axis; a null pointer: answers are sent as they are */
} grf_insole_settings_t;

/* Of the caller's; `scratch` and `work` may be the same: no stance is filtered while another is being answered. */
typedef struct {
    int16_t *ring;    /* GRF_STANCE_RING_BYTES(channels, capacity) */
    int16_t *window;  /* points x channels */
    int8_t *input;    /* points x inputs */
    int8_t *answer;   /* points x outputs */
    int8_t *curve;    /* points x axes sent; the report points at it until the next one */
    uint32_t *scratch; /* model->scratch_bytes */
    uint16_t *lowest; /* GRF_LEVELS_NUMBERS, where there are levels */
    int32_t *work;    /* GRF_LOWPASS_WORDS(capacity, pad), where there is a low-pass */
} grf_insole_memory_t;

/* A stance between the two calls. */
typedef struct {
    grf_stance_info_t info;
    uint32_t level_q8[GRF_CELLS]; /* of relative cells as they were at its end, 1/256 counts */
    grf_relative_t relative;
} grf_cut_t;

typedef struct {
    grf_insole_memory_t memory;
    grf_detect_t detect;
    grf_stance_t stance;
    grf_levels_t levels;
    grf_stance_result_t result;    /* what the last event meant, and */
    grf_stance_info_t info;        /* of the stance that ended */
    grf_cut_t cut;                 /* the stance that waits for its answer, or had it */
    volatile uint8_t waits;        /* 1 from grf_insole_take's 1 until grf_insole_answer returns */
    uint32_t unanswered;           /* stances that ended while another one waited: nothing is sent of them */
    int16_t told[GRF_INSOLE_TOLD]; /* what the wearer told, in counts of the column; unknown until it is written */
    float bw_per_n;                /* 1 / (mass x 9.80665), where the model answers N; 0: unknown */
    uint8_t left;
} grf_insole_t;

/* 1: ready; 0: settings that cannot be, or memory that is missing. */
int grf_insole_start(const grf_insole_settings_t *settings, grf_insole_t *insole, const grf_insole_memory_t *memory,
                     int left);

/* A sample, or a null pointer where it was missed; 1 where a stance waits for grf_insole_answer since this one.
 * Initial contact lay info.age_q8 / 256 - 1 samples before this one. A stance that ends while another waits is counted
 * in `unanswered`, and the one that waits stays as it is. */
int grf_insole_take(const grf_insole_settings_t *settings, grf_insole_t *insole, const grf_sensor_t *sample);

/* Runs the model on the stance that waits; 1 where a report was written, 0 where none waits or none can be made (a
 * model that answers N while the body weight is unknown). Whatever interrupts this may take samples meanwhile. */
int grf_insole_answer(const grf_insole_settings_t *settings, grf_insole_t *insole, grf_report_t *report);

/* Both in one call, for a loop that has time between two samples; 1 where a stance was answered. */
int grf_insole_push(const grf_insole_settings_t *settings, grf_insole_t *insole, const grf_sensor_t *sample,
                    grf_report_t *report);

#endif
