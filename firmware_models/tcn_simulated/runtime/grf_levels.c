#include "grf_levels.h"

#include <string.h>

#define HIGHEST 65535u

static uint16_t *kept(const grf_levels_settings_t *settings, const grf_levels_t *levels, uint32_t block, uint32_t cell)
{
    return levels->lowest + (block * settings->cells + cell) * settings->lowest;
}

static void clear_block(const grf_levels_settings_t *settings, grf_levels_t *levels)
{
    memset(kept(settings, levels, levels->block, 0), 0xFF, (size_t)settings->cells * settings->lowest * 2u);
    levels->rows[levels->block] = 0;
}

int grf_levels_start(const grf_levels_settings_t *settings, grf_levels_t *levels, uint16_t *lowest)
{
    uint32_t rows = (uint32_t)settings->blocks * settings->block_rows;
    memset(levels, 0, sizeof *levels);
    levels->lowest = lowest;
    if (lowest == 0 || settings->cells < 1u || settings->cells > GRF_LEVELS_CELLS || settings->blocks < 1u ||
        settings->blocks > GRF_LEVELS_BLOCKS || settings->steps < 1u || settings->steps > GRF_LEVELS_STEPS ||
        settings->least_steps < 1u || settings->every < 1u || rows < 1u || settings->units < 1u ||
        settings->unloaded_percent > 99u || settings->greater_percent > 100u ||
        settings->lowest < (rows - 1u) * settings->unloaded_percent / 100u + 2u) {
        return 0;
    }
    for (uint32_t k = settings->blocks; k > 0; --k) {
        levels->block = (uint8_t)(k - 1u);
        clear_block(settings, levels);
    }
    return 1;
}

/* Takes a value into a sorted list of the lowest ones. */
static void insert(uint16_t *sorted, uint32_t count, uint16_t value)
{
    uint32_t k = count;
    if (value >= sorted[count - 1u]) {
        return;
    }
    for (k = count - 1u; k > 0 && sorted[k - 1u] > value; --k) {
        sorted[k] = sorted[k - 1u];
    }
    sorted[k] = value;
}

static void look(const grf_levels_settings_t *settings, grf_levels_t *levels, const uint16_t *cells)
{
    if (levels->rows[levels->block] == settings->block_rows) {
        levels->block = (uint8_t)(levels->block + 1u < settings->blocks ? levels->block + 1u : 0u);
        clear_block(settings, levels);
    }
    for (uint32_t c = 0; c < settings->cells; ++c) {
        insert(kept(settings, levels, levels->block, c), settings->lowest, cells[c]);
    }
    ++levels->rows[levels->block];
}

void grf_levels_push(const grf_levels_settings_t *settings, grf_levels_t *levels, const uint16_t *cells)
{
    if (levels->skipped == 0) {
        look(settings, levels, cells);
    }
    levels->skipped = (uint16_t)(levels->skipped + 1u < settings->every ? levels->skipped + 1u : 0u);
    if (levels->inside) {
        int32_t sum = 0;
        for (uint32_t c = 0; c < settings->cells; ++c) {
            sum += cells[c];
        }
        levels->high = sum > levels->high ? sum : levels->high;
    }
}

/* A cell's percentile, linear between two ranks, 1/256 counts: blocks are merged up to the rank. */
static uint32_t percentile_q8(const grf_levels_settings_t *settings, const grf_levels_t *levels, uint32_t cell,
                              uint32_t rows)
{
    uint8_t taken[GRF_LEVELS_BLOCKS] = {0};
    uint32_t rank = (rows - 1u) * settings->unloaded_percent, before = 0, now = 0;
    for (uint32_t k = 0; k < rank / 100u + 2u; ++k) {
        uint32_t from = 0;
        before = now;
        now = HIGHEST + 1u;
        for (uint32_t b = 0; b < settings->blocks; ++b) {
            uint32_t value = taken[b] < settings->lowest ? kept(settings, levels, b, cell)[taken[b]] : HIGHEST;
            if (value < now) {
                now = value;
                from = b;
            }
        }
        taken[from] = (uint8_t)(taken[from] + (taken[from] < settings->lowest));
    }
    return before * 256u + ((now - before) * (rank % 100u) * 256u + 50u) / 100u;
}

/* The level of each cell now. */
static void set_levels(const grf_levels_settings_t *settings, grf_levels_t *levels)
{
    uint32_t rows = 0, sum = 0;
    for (uint32_t b = 0; b < settings->blocks; ++b) {
        rows += levels->rows[b];
    }
    for (uint32_t c = 0; c < settings->cells; ++c) {
        levels->level_q8[c] = rows > 0 ? percentile_q8(settings, levels, c, rows) : 0;
        sum += levels->level_q8[c];
    }
    levels->unloaded_q8 = (int32_t)sum;
}

/* The remembered peaks above the level now, 1/256 counts, in order of size; returns how many there are. */
static uint32_t sorted_peaks(const grf_levels_t *levels, int32_t *sorted)
{
    for (uint32_t n = 0; n < levels->held; ++n) {
        int32_t peak = levels->highs[n] * 256 - levels->unloaded_q8;
        uint32_t k = n;
        for (; k > 0 && sorted[k - 1u] > peak; --k) {
            sorted[k] = sorted[k - 1u];
        }
        sorted[k] = peak;
    }
    return levels->held;
}

/* Whether a peak is less than a share of a high percentile of all; both sides times 10000. */
static int faint(const grf_levels_settings_t *settings, const int32_t *sorted, uint32_t count, int32_t peak)
{
    uint32_t rank = (count - 1u) * settings->greater_percent;
    uint32_t low = rank / 100u, high = low + 1u < count ? low + 1u : low;
    int64_t greater = sorted[low] * (int64_t)100 + ((int64_t)sorted[high] - sorted[low]) * (rank % 100u);
    return (int64_t)peak * 10000 < greater * settings->faint_percent;
}

static int end_step(const grf_levels_settings_t *settings, grf_levels_t *levels)
{
    int32_t sorted[GRF_LEVELS_STEPS];
    set_levels(settings, levels);
    levels->highs[levels->next] = levels->high;
    levels->next = (uint8_t)(levels->next + 1u < settings->steps ? levels->next + 1u : 0u);
    levels->held = (uint8_t)(levels->held + (levels->held < settings->steps));
    uint32_t count = sorted_peaks(levels, sorted);
    return !faint(settings, sorted, count, levels->high * 256 - levels->unloaded_q8);
}

int grf_levels_event(const grf_levels_settings_t *settings, grf_levels_t *levels, const grf_event_t *event,
                     grf_stance_result_t result)
{
    uint8_t inside = levels->inside;
    levels->inside = event->kind == GRF_IC;
    if (event->kind == GRF_IC) {
        levels->high = -1;
    }
    if (!inside || event->kind != GRF_TO || levels->high < 0) {
        return 0;
    }
    return result == GRF_STANCE_READY || result == GRF_STANCE_MISSED ? end_step(settings, levels) : 0;
}

int grf_levels_relative(const grf_levels_settings_t *settings, const grf_levels_t *levels, grf_relative_t *relative)
{
    int32_t sorted[GRF_LEVELS_STEPS];
    uint32_t count = sorted_peaks(levels, sorted), first = 0;
    if (count < settings->least_steps) {
        return 0;
    }
    while (first + 1u < count && faint(settings, sorted, count, sorted[first])) {
        ++first;
    }
    int32_t middle = (sorted[(first + count - 1u) / 2u] + sorted[(first + count) / 2u]) / 2;
    if (middle <= 0) {
        return 0;
    }
    uint64_t peak = (uint64_t)middle, units = settings->units;
    uint8_t shift = 1;
    while (shift < 46u && (units << (shift + 1u)) + peak / 2u < peak << 31) {
        ++shift;
    }
    relative->level_q8 = levels->level_q8;
    relative->multiplier = (int32_t)(((units << shift) + peak / 2u) / peak);
    relative->shift = shift;
    return 1;
}
