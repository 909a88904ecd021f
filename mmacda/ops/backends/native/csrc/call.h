/* What the units of a call share. */
#ifndef MMACDA_CALL_H
#define MMACDA_CALL_H
#include "atoms.h"
#include "gemm.h"
#include "planes.h"
#include "team.h"

/* With a generator, GRAD_ALPHA is on where one of the last two is. */
enum { GRAD_INPUT = 1, GRAD_ALPHA = 2, GRAD_WEIGHT = 4, GRAD_HIDDEN = 8,
       GRAD_GENERATOR = 16 };
enum { ROUND_BYTES = 4 << 20, PACK_PIXELS = 256 };

typedef struct {
  const problem *p;
  tiling tiling;
  team team;
  const float *x, *alpha, *weight;
  /* In place of alpha, see generator.h. hidden_norm: scales, then shifts, of
   * hidden maps that come without their norm and activation; or null. */
  const float *h, *generator, *hidden_norm;
  /* The generator's first layer, hidden x (maps + 1), of h = x; or null. */
  const float *first, *bias;
  float *y; /* or its gradient */
  float *planes, *packed;
  int needs;
  int dots; /* products of bfloat16 pairs, see dots.h */
  float *dx, *dalpha, *dweight, *dh, *dgenerator;
  float *dplanes, *dpacked, *d, *dz, *dy;
  float *packed_first, *packed_generator, *turned_generator, *dalpha_tiles, *ht;
  int64_t round, first_tile, last_tile, block;
} call;

static inline int64_t group_width(const problem *p) {
  return p->channels / p->groups;
}
static inline int64_t group_depth(const problem *p) {
  return p->channels / p->groups * p->atoms;
}
static inline int64_t group_outputs(const problem *p) {
  return p->out_channels / p->groups;
}
/* Row lengths of dy, [pixel][output], and of dweight, [channel][output]. */
static inline int64_t dy_pitch(const problem *p) {
  return round_up(p->out_channels + LANES, LANES);
}
static inline int64_t dweight_pitch(const problem *p) {
  return round_up(group_outputs(p), LANES);
}

/* Hands out consecutive parts of one buffer; null counts only. */
static float *take(float **memory, int64_t *total, int64_t floats) {
  float *part = *memory;
  floats = round_up(larger(floats, 0), LANES);
  if (part) *memory += floats;
  *total += floats;
  return part;
}

static void transpose(const float *block, int64_t rows, int64_t columns,
                      int64_t pitch, float *target, int64_t target_pitch) {
  for (int64_t i0 = 0; i0 < rows; i0 += 16)
    for (int64_t j = 0; j < columns; j++)
      for (int64_t i = i0; i < smaller(rows, i0 + 16); i++)
        target[j * target_pitch + i] = block[i * pitch + j];
}

static void pad_unit(void *argument, int64_t unit, float *scratch) {
  call *k = argument;
  (void)scratch;
  copy_planes(k->p, (void *)k->x, k->p->x, k->planes, unit, 0);
}
#endif
