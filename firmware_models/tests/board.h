/* What programs on a board (or QEMU's) count with: SysTick and a painted stack.
 *
 * Under `-icount shift=6` SysTick runs at 64 ns an instruction; the 24 bits of the counter are carried on by its
 * interrupt. */
#ifndef GRF_BOARD_H
#define GRF_BOARD_H

#include <stdint.h>

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
#define PAINT 0xA5A5A5A5u
#define PAINTED 2048u /* words of stack below the caller */

static volatile uint32_t wraps;

void arm_systick_isr(void);
void arm_systick_isr(void)
{
    ++wraps;
}

/* 7: counting with its interrupt; 5: without, while a stack is painted. */
static inline void board_clock(uint32_t control)
{
    SYST_RVR = 0xFFFFFFu;
    SYST_CSR = control;
}

static inline uint64_t board_ticks(void)
{
    uint32_t before, now;
    do {
        before = wraps;
        now = SYST_CVR;
    } while (before != wraps);
    return ((uint64_t)before << 24) + (0xFFFFFFu - now);
}

static void __attribute__((noinline)) board_paint(void)
{
    volatile uint32_t area[PAINTED];
    for (uint32_t k = 0; k < PAINTED; ++k) {
        area[k] = PAINT;
    }
}

/* Looks below the caller's frame for the lowest word that is no longer paint. */
static uint32_t __attribute__((noinline)) board_unpainted(const uint32_t *top)
{
    const uint32_t *low = top - PAINTED + 64;
    while (low < top && *low == PAINT) {
        ++low;
    }
    return (uint32_t)((uintptr_t)top - (uintptr_t)low);
}

static inline uint32_t *board_frame(void)
{
    uint32_t *sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

#endif
