/* A window through the model on a board (or QEMU's): instructions, the stack's high water and the answers' bytes.
 * Compile with GRF_HEADER and GRF_MODEL. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include GRF_HEADER
#include "board.h"
#include "windows.h"

static uint32_t scratch[(GRF_SCRATCH_NEEDED + 3u) / 4u];
static int8_t answer[GRF_ANSWER];

static uint32_t run(const int8_t *window)
{
    uint64_t start = board_ticks();
    if (grf_model_run(&GRF_MODEL, window, answer, scratch) != GRF_OK) {
        return 0;
    }
    return (uint32_t)(board_ticks() - start);
}

int main(void)
{
    SYST_CVR = 0;
    board_clock(7);
    for (uint32_t w = 0; w < GRF_WINDOWS; ++w) {
        board_clock(5); /* no interrupt may paint over the stack */
        board_paint();
        (void)grf_model_run(&GRF_MODEL, windows[w], answer, scratch);
        uint32_t stack = board_unpainted(board_frame());
        board_clock(7);
        uint32_t spent = run(windows[w]);
        printf("window %lu ticks %lu stack %lu bytes ", (unsigned long)w, (unsigned long)spent, (unsigned long)stack);
        for (uint32_t k = 0; k < GRF_ANSWER; ++k) {
            printf("%02x", (unsigned)(uint8_t)answer[k]);
        }
        printf("\n");
    }
    exit(0);
}
