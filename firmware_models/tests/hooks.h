#ifndef GRF_HOOKS_H
#define GRF_HOOKS_H

#include "insole.h"

typedef struct {
    int (*send)(int characteristic, const uint8_t *value, size_t size);
    uint32_t (*now_us)(void);
} hooks_t;

void hooks_set(hooks_t given);
int hooks_row(const uint16_t *cells, const int16_t *imu, uint32_t time_us);
void hooks_written(int characteristic, const uint8_t *value, size_t size, uint32_t came_us);

#endif
