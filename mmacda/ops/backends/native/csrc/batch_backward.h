/* Gradients through both norms of a generator over a batch, see batch.h. */
#ifndef MMACDA_BATCH_BACKWARD_H
#define MMACDA_BATCH_BACKWARD_H
#include "batch.h"

/* By row of W: from the gradient of its folded form. */
static void unfold_unit(void *argument, int64_t n, float *scratch) {
  batch *k = argument;
  int64_t channels = k->p->hidden;
  const float *weight = k->weight + n * channels;
  const float *grad = k->dmatrix + n * k->dmatrix_pitch;
  const double *spread = k->spread + n * channels;
  double inverse = k->inverse2[n], gamma = k->gamma2 ? k->gamma2[n] : 1;
  double scale = inverse * gamma, dshift = grad[channels];
  double dscale = -dshift * k->mean2[n];
  (void)scratch;
  for (int64_t i = 0; i < channels; i++)
    dscale += (double)grad[i] * weight[i];
  double dvariance = -0.5 * dscale * gamma * inverse * inverse * inverse;
  k->pulled[n] = dshift * scale;
  k->dvariance[n] = dvariance;
  if (k->dgamma2) k->dgamma2[n] = (float)(dscale * inverse);
  if (k->dbeta2) k->dbeta2[n] = (float)dshift;
  for (int64_t i = 0; i < channels; i++)
    k->wide[n * channels + i] = weight[i];
  for (int64_t i = 0; i < channels; i++)
    k->dweight[n * channels + i] =
        (float)(grad[i] * scale - k->pulled[n] * k->mean_h[i] +
                2 * dvariance * spread[i]);
}

/* By channel: what the second norm's statistics give to dh, as a row of a
 * matrix for h - centre and a constant. */
static void turn_unit(void *argument, int64_t i, float *scratch) {
  batch *k = argument;
  int64_t channels = k->p->hidden, rows = generator_rows(k->p);
  double *sums = (double *)scratch, *factors = sums + channels;
  double dmean = 0, constant = 0;
  for (int64_t n = 0; n < rows; n++) {
    double weight = k->wide[n * channels + i];
    factors[n] = weight * k->dvariance[n];
    dmean -= k->pulled[n] * weight;
  }
  combine_rows(rows, channels, factors, k->wide, sums);
  float *row = k->turned + i * (channels + 1);
  constant = dmean / k->pixels;
  for (int64_t j = 0; j < channels; j++) {
    double value = 2 / k->pixels * sums[j];
    row[j] = (float)value;
    constant -= value * (k->mean_h[j] - k->centre[j]);
  }
  row[channels] = (float)constant;
}

/* By chunk: the gradient of norm1(u), written over dh, and its sums. */
static void undo_unit(void *argument, int64_t unit, float *scratch) {
  batch *k = argument;
  const problem *p = k->p;
  int64_t pitch = k->tiling.pitch, channels = p->hidden;
  float *block = scratch, *grad = block + (channels + 1) * pitch;
  float *extra = grad + channels * pitch, *u = extra + channels * pitch;
  double *sums = k->moments + unit * channels * 2;
  left_side turned = {k->turned, channels + 1, 1, 0};
  memset(sums, 0, channels * 2 * sizeof(double));
  for (int64_t n = chunk_start(k, unit); n < chunk_start(k, unit + 1); n++) {
    tile t = get_tile(p, &k->tiling, n);
    int64_t vectors = (t.pixels + LANES - 1) / LANES;
    read_centred(k, &t, block);
    read_tile(p, &t, channels, k->dh, p->h, grad, pitch);
    read_tile(p, &t, channels, k->u, p->h, u, pitch);
    multiply(channels, vectors, channels + 1, turned, 0, block, pitch, extra,
             pitch, 0);
    for (int64_t c = 0; c < channels; c++) {
      float centre = k->centre[c], mean = (float)k->mean1[c];
      float inverse = (float)k->inverse1[c];
      vec sum = {0}, product = {0};
      for (int64_t i = 0; i < vectors; i++) {
        int64_t at = c * pitch + i * LANES;
        vec h = load(block + at) + centre;
        vec g = (load(grad + at) + load(extra + at)) * (1 - h * h);
        g = keep(g, (int)smaller(LANES, t.pixels - i * LANES));
        store(grad + at, g);
        sum += g;
        product += g * ((load(u + at) - mean) * inverse);
      }
      sums[2 * c] += sum_lanes(sum);
      sums[2 * c + 1] += sum_lanes(product);
    }
    write_tile(p, &t, channels, k->dh, p->h, grad, pitch);
  }
}

/* Of du = slope g + offset_u u + offset_g. */
static void unfold_first_norm(batch *k) {
  int64_t channels = k->p->hidden;
  for (int64_t c = 0; c < channels; c++) {
    double sum = 0, product = 0, inverse = k->inverse1[c];
    for (int64_t n = 0; n < k->chunks; n++) {
      sum += k->moments[(n * channels + c) * 2];
      product += k->moments[(n * channels + c) * 2 + 1];
    }
    if (k->dgamma1) k->dgamma1[c] = (float)product;
    if (k->dbeta1) k->dbeta1[c] = (float)sum;
    double slope = inverse * (k->gamma1 ? k->gamma1[c] : 1);
    double by_u = -slope * product / k->pixels * inverse;
    k->slope[c] = (float)slope;
    k->offset_u[c] = (float)by_u;
    k->offset_g[c] = (float)(-slope * sum / k->pixels);
  }
}

static int64_t first_pitch(const problem *p) {
  return round_up(p->channels, LANES);
}

/* Adds what du of a tile gives to x, and to the first convolution. */
static void undo_first(const batch *k, const tile *t, const float *du,
                       float *x, float *sums, int add) {
  const problem *p = k->p;
  int64_t pitch = k->tiling.pitch, inputs = p->channels, channels = p->hidden;
  int64_t vectors = (t->pixels + LANES - 1) / LANES, wide = first_pitch(p);
  float *xt = x + inputs * pitch;
  strides at = pixel_strides(p);
  read_tile(p, t, inputs, k->x, at, x, pitch);
  transpose(x, inputs, t->pixels, pitch, xt, wide);
  multiply(channels, wide / LANES, t->pixels, (left_side){du, pitch, 1, 0}, 0,
           xt, wide, sums, wide, add);
  if (!k->dx) return;
  read_tile(p, t, inputs, k->dx, at, x, pitch);
  multiply(inputs, vectors, channels, (left_side){k->first, 1, inputs, 0}, 0,
           du, pitch, x, pitch, 1);
  write_tile(p, t, inputs, k->dx, at, x, pitch);
}

/* By chunk: du, written over dh or handed on. */
static void normalise_unit(void *argument, int64_t unit, float *scratch) {
  batch *k = argument;
  const problem *p = k->p;
  int64_t pitch = k->tiling.pitch, channels = p->hidden;
  float *grad = scratch, *u = grad + channels * pitch;
  int64_t start = chunk_start(k, unit);
  for (int64_t n = start; n < chunk_start(k, unit + 1); n++) {
    tile t = get_tile(p, &k->tiling, n);
    int64_t vectors = (t.pixels + LANES - 1) / LANES;
    read_tile(p, &t, channels, k->dh, p->h, grad, pitch);
    read_tile(p, &t, channels, k->u, p->h, u, pitch);
    for (int64_t c = 0; c < channels; c++) {
      float slope = k->slope[c], by_u = k->offset_u[c];
      float constant = k->offset_g[c], mean = (float)k->mean1[c];
      for (int64_t i = 0; i < vectors; i++) {
        int64_t at = c * pitch + i * LANES;
        store(grad + at, slope * load(grad + at) +
                             (by_u * (load(u + at) - mean) + constant));
      }
    }
    if (k->first)
      undo_first(k, &t, grad, u,
                 k->first_sums + unit * channels * first_pitch(p),
                 n > start);
    else
      write_tile(p, &t, channels, k->dh, p->h, grad, pitch);
  }
}

/* By channel: a row of the first convolution's gradient. */
static void first_unit(void *argument, int64_t unit, float *scratch) {
  batch *k = argument;
  int64_t inputs = k->p->channels, wide = first_pitch(k->p);
  float *row = k->dfirst + unit * inputs;
  (void)scratch;
  memset(row, 0, inputs * sizeof(float));
  for (int64_t n = 0; n < k->chunks; n++) {
    const float *part =
        k->first_sums + (n * k->p->hidden + unit) * wide;
    for (int64_t c = 0; c < inputs; c++) row[c] += part[c];
  }
}

static int64_t lay_out_batch_backward(batch *k, float *memory) {
  int64_t total = 0, channels = k->p->hidden, rows = generator_rows(k->p);
  int64_t pitch = k->tiling.pitch, tiles = (4 * channels + 1) * pitch;
  int64_t wide = k->first ? first_pitch(k->p) : 0;
  tiles = larger(tiles, (channels + larger(channels, wide)) * pitch +
                            k->tiling.pixels * wide + LANES);
  k->centre = take(&memory, &total, channels);
  k->slope = take(&memory, &total, channels);
  k->offset_g = take(&memory, &total, channels);
  k->offset_u = take(&memory, &total, channels);
  k->turned = take(&memory, &total, channels * (channels + 1));
  k->pulled = take_doubles(&memory, &total, rows);
  k->dvariance = take_doubles(&memory, &total, rows);
  k->wide = take_doubles(&memory, &total, rows * channels);
  k->moments = take_doubles(&memory, &total, k->chunks * channels * 2);
  k->first_sums = take(&memory, &total, k->chunks * channels * wide);
  k->team.scratch_size = round_up(larger(tiles, 2 * (channels + rows)), LANES);
  k->team.scratch =
      take(&memory, &total, k->team.scratch_size * k->team.threads);
  return total;
}

int64_t mmacda_batch_backward_floats(const problem *p, int first,
                                     int threads) {
  static const float any;
  batch k = {.p = p, .first = first ? &any : NULL,
             .team = {.threads = threads}};
  begin_batch(&k, NULL);
  return lay_out_batch_backward(&k, NULL);
}

/* From dmatrix, with rows of mmacda_generator_pitch floats, and dh, over
 * which du is written; without dh gradients of the second norm and W alone.
 * With `first`, dh is spoilt, and what du gives is added to dx. Those that
 * are null are not wanted; dweight always is, and dfirst with `first`. */
void mmacda_batch_norms_backward(
    const problem *p, const float *dmatrix, float *dh, const float *x,
    const float *first, const float *u, const float *weight, const float *gamma1, const float *beta1,
    const float *gamma2, const float *hidden_norm, const double *saved,
    float *dx, float *dfirst, float *dweight, float *dgamma1, float *dbeta1,
    float *dgamma2, float *dbeta2, float *memory, int threads, launcher launch) {
  batch k = {.p = p, .x = x, .first = first, .u = (float *)u,
             .weight = weight, .gamma1 = gamma1, .dx = dx, .dfirst = dfirst,
             .beta1 = beta1, .gamma2 = gamma2, .dmatrix = dmatrix,
             .hidden_norm = (float *)hidden_norm, .dh = dh,
             .dweight = dweight, .dgamma1 = dgamma1, .dbeta1 = dbeta1,
             .dgamma2 = dgamma2, .dbeta2 = dbeta2};
  k.team = (team){.threads = threads, .launch = launch, .call = &k};
  k.dmatrix_pitch = hidden_pitch(p);
  begin_batch(&k, (double *)saved);
  lay_out_batch_backward(&k, memory);
  run_units(&k.team, generator_rows(p), unfold_unit);
  if (!dh) return;
  for (int64_t c = 0; c < p->hidden; c++)
    k.centre[c] =
        hyperbolic_tangent((vec){0} + (beta1 ? beta1[c] : 0))[0];
  run_units(&k.team, p->hidden, turn_unit);
  run_units(&k.team, k.chunks, undo_unit);
  unfold_first_norm(&k);
  run_units(&k.team, k.chunks, normalise_unit);
  if (first) run_units(&k.team, p->hidden, first_unit);
}
#endif
