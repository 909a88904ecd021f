/* Both norms of a generator over a batch, from its first layer's maps alone.
 *
 * u are the maps (B, H, Ho, Wo) in front of the first norm and
 * h = tanh(norm1(u)). The statistics of v = W h follow from those of h:
 * mean(v) = W mean(h), var(v) = diag(W Cov(h) W^T), so that neither h nor v
 * is ever in memory.
 * Sums over pixels are of a tile in float, over tiles in double, and h is
 * centred before it is multiplied, so that nothing cancels. */
#ifndef MMACDA_BATCH_H
#define MMACDA_BATCH_H
#include <math.h>

#include "generator.h"

enum { MAX_CHUNKS = 32, TILES_AT_ONCE = 8 };

/* Affine parameters may be null; rows are m * J. */
typedef struct {
  const problem *p;
  tiling tiling;
  team team;
  int64_t chunks;
  /* Where the first convolution is pointwise, u = first x is made here. */
  const float *x, *first;
  float *u;
  const float *weight, *gamma1, *beta1, *gamma2, *beta2;
  double eps1, eps2, pixels;
  float *hidden_norm, *matrix; /* see generator.h: to be made */
  /* Of the first norm [H]; mean of h [H]; of the second norm [rows]; then
   * W Cov(h) [rows][H]. Kept for backward. */
  double *mean1, *variance1, *inverse1, *mean_h, *mean2, *variance2,
      *inverse2, *spread;
  float *centre;                     /* [H], near the mean of h */
  double *moments, *gram, *products; /* by chunk; and Cov(h) */
  /* Backward: */
  float *dh, *dx, *dfirst, *first_sums, *turned, *dweight, *dgamma1, *dbeta1, *dgamma2,
      *dbeta2, *slope, *offset_g, *offset_u;
  const float *dmatrix;
  int64_t dmatrix_pitch;
  double *pulled, *dvariance, *wide; /* wide: W */
} batch;

static int64_t saved_doubles(const problem *p) {
  int64_t rows = generator_rows(p);
  return 4 * p->hidden + 3 * rows + rows * p->hidden;
}

static void unfold_saved(batch *k, double *saved) {
  int64_t hidden = k->p->hidden, rows = generator_rows(k->p);
  k->mean1 = saved;
  k->variance1 = k->mean1 + hidden;
  k->inverse1 = k->variance1 + hidden;
  k->mean_h = k->inverse1 + hidden;
  k->mean2 = k->mean_h + hidden;
  k->variance2 = k->mean2 + rows;
  k->inverse2 = k->variance2 + rows;
  k->spread = k->inverse2 + rows;
}

/* Of x at the pixels of the output. */
static strides pixel_strides(const problem *p) {
  strides s = p->x;
  s.row *= p->stride_h, s.column *= p->stride_w;
  return s;
}

static double *take_doubles(float **memory, int64_t *total, int64_t count) {
  return (double *)take(memory, total, 2 * count);
}

static int64_t chunk_start(const batch *k, int64_t chunk) {
  return k->tiling.tiles * chunk / k->chunks;
}

INLINE float sum_lanes(vec v) {
  float sum = 0;
  UNROLL for (int i = 0; i < LANES; i++) sum += v[i];
  return sum;
}

static float add_up(const float *values, int64_t count) {
  vec sum = {0};
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) sum += load(values + i);
  if (i < count) sum += keep(load(values + i), (int)(count - i));
  return sum_lanes(sum);
}

static float add_squares(const float *values, int64_t count, float centre) {
  vec sum = {0};
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    vec apart = load(values + i) - centre;
    sum += apart * apart;
  }
  if (i < count) {
    vec apart = keep(load(values + i) - centre, (int)(count - i));
    sum += apart * apart;
  }
  return sum_lanes(sum);
}

/* Pixels, mean and summed squares around it, joined with those of a tile. */
static void join_moments(double *count, double *mean, double *squares,
                         double n, double m, double s) {
  double total = *count + n, apart = m - *mean;
  *mean += apart * n / total;
  *squares += s + apart * apart * *count * n / total;
  *count = total;
}

/* h - centre of a tile, [channel][pixel], and a channel of ones. */
static void read_centred(const batch *k, const tile *t, float *block) {
  int64_t pitch = k->tiling.pitch, channels = k->p->hidden;
  int64_t vectors = (t->pixels + LANES - 1) / LANES;
  read_tile(k->p, t, channels, k->u, k->p->h, block, pitch);
  for (int64_t c = 0; c < channels; c++) {
    float scale = k->hidden_norm[c], shift = k->hidden_norm[channels + c];
    float centre = k->centre[c];
    for (int64_t i = 0; i < vectors; i++) {
      float *at = block + c * pitch + i * LANES;
      store(at, hyperbolic_tangent(load(at) * scale + shift) - centre);
    }
  }
  for (int64_t i = 0; i < pitch; i++) block[channels * pitch + i] = 1;
}

/* As wide as a vec. */
typedef double doubles __attribute__((vector_size(4 * LANES)));
typedef double loose_doubles
    __attribute__((vector_size(4 * LANES), aligned(8), may_alias));

/* sums[j] = sum over i of factors[i] rows[i][j], in double. */
static void combine_rows(int64_t count, int64_t length,
                         const double *factors, const double *rows,
                         double *sums) {
  enum { HALF = LANES / 2, BLOCK = 4 };
  int64_t j = 0;
  for (; j + BLOCK * HALF <= length; j += BLOCK * HALF) {
    doubles sum[BLOCK];
    UNROLL for (int n = 0; n < BLOCK; n++) sum[n] = (doubles){0};
    for (int64_t i = 0; i < count; i++)
      UNROLL for (int n = 0; n < BLOCK; n++)
        sum[n] += factors[i] * *(const loose_doubles *)(rows + i * length +
                                                        j + n * HALF);
    UNROLL for (int n = 0; n < BLOCK; n++)
      *(loose_doubles *)(sums + j + n * HALF) = sum[n];
  }
  for (; j < length; j++) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
      sum += factors[i] * rows[i * length + j];
    sums[j] = sum;
  }
}

static void begin_batch(batch *k, double *saved) {
  k->tiling = make_tiling(k->p);
  k->chunks = smaller(MAX_CHUNKS, k->tiling.tiles);
  k->pixels = (double)k->p->batch * k->p->out_height * k->p->out_width;
  unfold_saved(k, saved);
}
#endif
