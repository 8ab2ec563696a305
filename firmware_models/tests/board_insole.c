/* A bundle's made-up foot on a board (or QEMU's), from samples to reports: instructions of a sample, of a contact
 * that is not answered, of the sample that ends a stance, of a stance's window and of the model, and the stack's high
 * water. Compile with GRF_HEADER, GRF_FOOT, GRF_NAME and GRF_MEMORY (the bundle's config header and golden foot, its
 * settings, and the function that hands out memory), and the names of the golden foot's arrays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include GRF_HEADER
#include GRF_FOOT
#include "board.h"

static GRF_MEMORY_T memory;
static grf_insole_t insole;
static grf_report_t report;

typedef struct {
    uint32_t plain, event, cut, stance, model, stack, answered, wrong;
} told_t;

static uint32_t hash_of(const int8_t *bytes, uint32_t count)
{
    uint32_t made = 2166136261u;
    for (uint32_t k = 0; k < count; ++k) {
        made = (made ^ (uint8_t)bytes[k]) * 16777619u;
    }
    return made;
}

static void check(told_t *told)
{
    uint32_t k = told->answered;
    int same = k < GRF_FOOT_STANCES && hash_of(memory.input, sizeof memory.input) == golden_foot_input[k] &&
               memcmp(memory.answer, golden_foot_output[k], sizeof memory.answer) == 0 &&
               report.contact_100us == golden_foot_contact[k];
    told->wrong += !same;
    ++told->answered;
    uint64_t start = board_ticks();
    (void)grf_model_run(GRF_NAME.model, memory.input, memory.answer, memory.scratch);
    uint32_t spent = (uint32_t)(board_ticks() - start);
    told->model = spent > told->model ? spent : told->model;
}

static void sample(uint32_t k, told_t *told)
{
    grf_sensor_t one;
    int there = golden_foot(k, &one);
    uint8_t inside = insole.stance.inside;
    uint64_t start = board_ticks();
    int cut = grf_insole_take(&GRF_NAME, &insole, there ? &one : NULL);
    uint32_t spent = (uint32_t)(board_ticks() - start);
    uint32_t *most = cut ? &told->cut : (inside != insole.stance.inside ? &told->event : &told->plain);
    *most = spent > *most ? spent : *most;
    if (cut && grf_insole_answer(&GRF_NAME, &insole, &report)) {
        spent = (uint32_t)(board_ticks() - start);
        told->stance = spent > told->stance ? spent : told->stance;
        check(told);
    }
}

/* All samples again under a painted stack. */
static uint32_t stack_of_all(void)
{
    grf_insole_memory_t given = GRF_MEMORY(&memory);
    grf_sensor_t one;
    uint32_t most = 0;
    (void)grf_insole_start(&GRF_NAME, &insole, &given, 1);
    for (uint32_t k = 0; k < GRF_FOOT_SAMPLES; ++k) {
        int there = golden_foot(k, &one);
        board_paint();
        (void)grf_insole_push(&GRF_NAME, &insole, there ? &one : NULL, &report);
        uint32_t stack = board_unpainted(board_frame());
        most = stack > most ? stack : most;
    }
    return most;
}

int main(void)
{
    told_t told = {0, 0, 0, 0, 0, 0, 0, 0};
    grf_insole_memory_t given = GRF_MEMORY(&memory);
    board_clock(7);
    if (!grf_insole_start(&GRF_NAME, &insole, &given, 1)) {
        exit(1);
    }
    for (uint32_t k = 0; k < GRF_FOOT_SAMPLES; ++k) {
        sample(k, &told);
    }
    board_clock(5); /* no interrupt may paint over the stack */
    told.stack = stack_of_all();
    printf("foot answered %lu wrong %lu sample %lu event %lu cut %lu stance %lu model %lu stack %lu state %lu memory %lu\n",
           (unsigned long)told.answered, (unsigned long)told.wrong, (unsigned long)told.plain,
           (unsigned long)told.event, (unsigned long)told.cut, (unsigned long)told.stance, (unsigned long)told.model,
           (unsigned long)told.stack, (unsigned long)sizeof insole, (unsigned long)sizeof memory);
    exit(0);
}
