/* Insole cells against their own foot's steps, in integers: the twin of grfkit.embedded.levels, number for
 * number.
 *
 * A cell's count means another force on every insole. A model of relative cells takes each cell minus its unloaded
 * level, over what all cells together say at the peak of the foot's median step. Both come from the wearer's own
 * samples. The unloaded level is a low percentile of the last seconds: of blocks of rows only the lowest values of each
 * cell are kept, which is all that such a percentile can ask for. A contact that bears far less than the foot's steps
 * (a shoe that presses on the foot in the air) is told apart, and its peak left out of the median. */
#ifndef GRF_LEVELS_H
#define GRF_LEVELS_H

#include "grf_stance.h"

#define GRF_LEVELS_CELLS 16u
#define GRF_LEVELS_BLOCKS 16u
#define GRF_LEVELS_STEPS 32u

typedef struct {
    uint8_t cells;            /* 1 to GRF_LEVELS_CELLS */
    uint8_t blocks;           /* 1 to GRF_LEVELS_BLOCKS; the oldest is forgotten when a new one begins */
    uint8_t lowest;           /* values kept of each cell and block: at least two more than the percentile's rank */
    uint8_t unloaded_percent; /* percentile of a cell that is its unloaded level */
    uint8_t steps;            /* contacts whose peaks are remembered, 1 to GRF_LEVELS_STEPS */
    uint8_t least_steps;      /* before so many there is no median */
    uint8_t greater_percent;  /* percentile of the peaks that a contact is held against, and */
    uint8_t faint_percent;    /* the share of it below which a contact is faint */
    uint16_t every;           /* a row in `every` is looked at for the level, all for the peaks */
    uint16_t block_rows;      /* rows looked at in a block */
    uint16_t units;           /* what the median peak is in the relative counts that come out */
} grf_levels_settings_t;

/* Numbers of 16 bits that `lowest` takes. */
#define GRF_LEVELS_NUMBERS(cells, blocks, lowest) ((uint32_t)(cells) * (blocks) * (lowest))

typedef struct {
    uint16_t *lowest;                    /* by block, cell and size; 65535 where there is none yet */
    uint16_t rows[GRF_LEVELS_BLOCKS];    /* looked at in each block */
    uint32_t level_q8[GRF_LEVELS_CELLS]; /* unloaded, 1/256 counts, at the last step */
    int32_t unloaded_q8;                 /* sum of these */
    int32_t highs[GRF_LEVELS_STEPS];     /* greatest sums of cells in the last contacts, counts */
    int32_t high;                        /* greatest sum of cells in the contact under way, counts */
    uint16_t skipped;                    /* rows since one was looked at */
    uint8_t held, next;                  /* peaks, and where the next one goes */
    uint8_t block, inside;
} grf_levels_t;

/* Of one stance: relative = ((256 raw - level_q8) * multiplier + 2^(shift - 1)) >> shift. */
typedef struct {
    const uint32_t *level_q8; /* of each cell, 1/256 counts */
    int32_t multiplier;
    uint8_t shift;
} grf_relative_t;

/* 1: ready; 0: settings outside what is said above. `lowest` takes GRF_LEVELS_NUMBERS. */
int grf_levels_start(const grf_levels_settings_t *settings, grf_levels_t *levels, uint16_t *lowest);

/* A row of cells, counts; nothing is pushed for a missed sample. */
void grf_levels_push(const grf_levels_settings_t *settings, grf_levels_t *levels, const uint16_t *cells);

/* What an event of the detector means, with what the stance buffer made of it: 1 where a contact ended that bore as
 * much as the foot's steps do, else 0. A contact that was too short, too long or lost leaves no peak. */
int grf_levels_event(const grf_levels_settings_t *settings, grf_levels_t *levels, const grf_event_t *event,
                     grf_stance_result_t result);

/* The integers of the stance that just ended; 0 while too few steps are known, or none bears a load. */
int grf_levels_relative(const grf_levels_settings_t *settings, const grf_levels_t *levels, grf_relative_t *relative);

/* A cell's relative count, saturated at 16 bits. */
static inline int16_t grf_relative(const grf_relative_t *relative, uint32_t cell, int32_t raw)
{
    int64_t above = (int64_t)raw * 256 - (int64_t)relative->level_q8[cell];
    int64_t value = (above * relative->multiplier + ((int64_t)1 << (relative->shift - 1))) >> relative->shift;
    return (int16_t)(value > 32767 ? 32767 : (value < -32768 ? -32768 : value));
}

#endif
