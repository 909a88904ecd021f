/* A layer whose generator has two pointwise convolutions, with its norms in
 * evaluation: by one call, since a small layer takes less time than many. */
#ifndef MMACDA_EVALUATED_H
#define MMACDA_EVALUATED_H
#include "forward.h"
#include "norm.h"

static int64_t first_floats(const problem *p) {
  return round_up(p->hidden * (p->maps + 1), LANES);
}
static int64_t matrix_floats(const problem *p) {
  return round_up(generator_rows(p) * generator_columns(p), LANES);
}

int64_t mmacda_evaluated_floats(const problem *p, int threads) {
  return first_floats(p) + matrix_floats(p) +
         mmacda_forward_floats(p, threads);
}

/* `norm1` and `norm2` are mean, variance, gamma and beta; the last two may be
 * null. */
void mmacda_evaluated(const problem *p, const float *x,
                      const float *first_weight, const float *const *norm1,
                      double eps1, const float *second_weight,
                      const float *const *norm2, double eps2,
                      const float *weight, const float *bias, float *y,
                      float *memory, int threads, launcher launch) {
  float *first = memory, *matrix = first + first_floats(p);
  mmacda_fold_norm(p->hidden, p->maps, first_weight, norm1[0], norm1[1],
                   norm1[2], norm1[3], eps1, first);
  mmacda_fold_norm(generator_rows(p), p->hidden, second_weight, norm2[0],
                   norm2[1], norm2[2], norm2[3], eps2, matrix);
  mmacda_forward(p, x, x, first, matrix, NULL, weight, bias, y,
                 matrix + matrix_floats(p), threads, launch);
}
#endif
