/* A window through the model on a board (or QEMU's): instructions, the stack's high water and the answers' bytes.
 *
 * Instructions come from SysTick under `-icount shift=6`, which runs at 64 ns an instruction; the 24 bits of the
 * counter are carried on by its interrupt. Compile with GRF_HEADER, GRF_MODEL and GRF_PREFIX, and GRF_MHZ. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include GRF_HEADER
#include "windows.h"

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
#define PAINT 0xA5A5A5A5u
#define PAINTED 2048u /* words of stack below the caller */

static volatile uint32_t wraps;
static uint32_t scratch[(GRF_SCRATCH_NEEDED + 3u) / 4u];
static int8_t answer[GRF_ANSWER];

void arm_systick_isr(void);
void arm_systick_isr(void)
{
    ++wraps;
}

static uint64_t ticks(void)
{
    uint32_t before, now;
    do {
        before = wraps;
        now = SYST_CVR;
    } while (before != wraps);
    return ((uint64_t)before << 24) + (0xFFFFFFu - now);
}

static void __attribute__((noinline)) paint(void)
{
    volatile uint32_t area[PAINTED];
    for (uint32_t k = 0; k < PAINTED; ++k) {
        area[k] = PAINT;
    }
}

/* Looks below the caller's frame for the lowest word that is no longer paint. */
static uint32_t __attribute__((noinline)) unpainted(const uint32_t *top)
{
    const uint32_t *low = top - PAINTED + 64;
    while (low < top && *low == PAINT) {
        ++low;
    }
    return (uint32_t)((uintptr_t)top - (uintptr_t)low);
}

static uint32_t run(const int8_t *window)
{
    uint64_t start = ticks();
    if (grf_model_run(&GRF_MODEL, window, answer, scratch) != GRF_OK) {
        return 0;
    }
    return (uint32_t)(ticks() - start);
}

static uint32_t *frame(void)
{
    uint32_t *sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

int main(void)
{
    SYST_RVR = 0xFFFFFFu;
    SYST_CVR = 0;
    SYST_CSR = 7;
    for (uint32_t w = 0; w < GRF_WINDOWS; ++w) {
        SYST_CSR = 5; /* no interrupt may paint over the stack */
        paint();
        (void)grf_model_run(&GRF_MODEL, windows[w], answer, scratch);
        uint32_t stack = unpainted(frame());
        SYST_CSR = 7;
        uint32_t spent = run(windows[w]);
        printf("window %lu ticks %lu stack %lu bytes ", (unsigned long)w, (unsigned long)spent, (unsigned long)stack);
        for (uint32_t k = 0; k < GRF_ANSWER; ++k) {
            printf("%02x", (unsigned)(uint8_t)answer[k]);
        }
        printf("\n");
    }
    exit(0);
}
