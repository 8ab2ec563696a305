/* An int8 model as a table of layers, and the interpreter that walks it.
 *
 * No allocation, no state outside the scratch memory that the caller hands over: two calls with two scratch memories
 * may run at once. Scratch is aligned to 4 bytes and as large as the model's header says. */
#ifndef GRF_MODEL_H
#define GRF_MODEL_H

#include "grf_math.h"

/* Of the structures in these headers: a bundle's C refuses to be compiled against any other. Two bundles of one number
 * share one copy of the runtime in a program. */
#define GRF_RUNTIME 3

#if defined(__GNUC__)
#define GRF_ALIGNED __attribute__((aligned(4)))
#else
#define GRF_ALIGNED
#endif

typedef enum {
    GRF_OK = 0,
    GRF_NO_MEMORY = 1,  /* a null pointer */
    GRF_ALIGNMENT = 2,  /* scratch not aligned to 4 bytes */
    GRF_NO_STREAM = 3,  /* this model needs its whole window */
    GRF_TOO_LONG = 4    /* 2^31 samples without grf_model_start */
} grf_status_t;

typedef enum { GRF_INPUT = 0, GRF_OUTPUT = 1, GRF_SCRATCH = 2 } grf_place_t;
typedef enum { GRF_LSTM = 0, GRF_CONV = 1, GRF_ADD = 2, GRF_COPY = 3 } grf_kind_t;

/* Where some channels of a tensor lie: row t starts at offset + (t % rows) * stride. */
typedef struct {
    uint32_t offset; /* bytes */
    uint16_t stride; /* bytes */
    uint16_t rows;   /* rows that are kept */
    uint16_t width;  /* channels, one byte each */
    uint8_t place;   /* grf_place_t */
} grf_view_t;

/* Gates come in the order input, forget, cell, output. */
typedef struct {
    uint16_t units;
    uint16_t input_fours;     /* inputs, in fours */
    uint16_t recurrent_fours; /* units, in fours */
    int32_t clip;             /* of the cell, 32768: none */
    int8_t zero;              /* of the hidden state */
    uint32_t hidden, cell;    /* in scratch: units as int16, padded to fours; units as int16 */
    const int16_t *weights; /* by unit, its gates of the inputs, then of the hidden state, packed for grf_mac4 */
    const int32_t *bias;    /* in the same order, doubled, zero points folded in */
    grf_scale_t input_scale[4], recurrent_scale[4];
    grf_scale_t forget, update, output;
    grf_tanh_scale_t cell_tanh;
} grf_lstm_t;

/* A convolution over time; a dense layer is one of a single tap. */
typedef struct {
    uint16_t outputs, taps, dilation, before; /* before: rows looked back by the first tap */
    uint16_t fours;                           /* taps * channels, in fours */
    int8_t pad, zero, low, high;              /* pad: the value of a row outside; clamps of the output */
    uint8_t per_channel;                      /* one scale for each output, else one for all */
    uint8_t partial;                          /* 1: leave int32 sums in scratch, 2: start from them */
    uint8_t hold;                             /* a row outside is the one at the border */
    uint32_t sums;                            /* where, by row and output, outputs padded to fours */
    const int16_t *weights;
    const int32_t *bias; /* doubled */
    const grf_scale_t *scale;
} grf_conv_t;

typedef struct {
    int16_t first_zero, second_zero; /* subtracted */
    int8_t zero, low, high;
    grf_scale_t first, second, sum; /* for values shifted up by 20 bits */
} grf_add_t;

typedef struct {
    uint8_t kind; /* grf_kind_t */
    uint8_t sources;
    uint8_t source[4]; /* views, side by side */
    uint8_t target;
    const void *settings;
} grf_layer_t;

/* Layers that take a row one after the other before the next row comes. */
typedef struct {
    uint8_t first, count;
    uint8_t reversed; /* from the last row to the first */
    uint8_t once;     /* one row in all, not one for each of the window */
} grf_group_t;

typedef struct {
    uint16_t points, inputs, outputs; /* rows of a window, channels in and out */
    uint8_t groups;
    uint8_t stream; /* rows may come one by one */
    uint32_t scratch_bytes;
    const grf_group_t *group;
    const grf_layer_t *layer;
    const grf_view_t *view;
} grf_model_t;

/* What a layer sees while a model runs. Scratch: row number (4 bytes), the gathered row (int16), buffers. */
typedef struct {
    const grf_model_t *model;
    const int8_t *input;
    int8_t *output;
    uint8_t *scratch;
} grf_run_t;

#define GRF_GATHERED 4u

/* The answer to a whole window: points x inputs bytes in, points x outputs bytes out, state reset before. */
grf_status_t grf_model_run(const grf_model_t *model, const int8_t *input, int8_t *output, void *scratch);

/* Forgets all rows before. */
grf_status_t grf_model_start(const grf_model_t *model, void *scratch);

/* The answers to the next rows of a model of the past only; the scratch remembers. */
grf_status_t grf_model_step(const grf_model_t *model, const int8_t *input, int8_t *output, uint32_t rows,
                            void *scratch);

/* For the layers: a row of a view, read or written; all sources of one row widened side by side. */
const int8_t *grf_row(const grf_run_t *run, uint8_t view, uint32_t row);
int8_t *grf_row_out(const grf_run_t *run, uint8_t view, uint32_t row);
uint32_t grf_gather(const grf_run_t *run, const grf_layer_t *layer, uint32_t row, int16_t *to);

void grf_lstm_start(const grf_lstm_t *lstm, uint8_t *scratch);
void grf_lstm_row(const grf_run_t *run, const grf_layer_t *layer, uint32_t row);
void grf_conv_row(const grf_run_t *run, const grf_layer_t *layer, uint32_t row);
void grf_add_row(const grf_run_t *run, const grf_layer_t *layer, uint32_t row);

#endif
