/* Statistics of a batch, and both norms of a generator as scales and shifts,
 * see batch.h. */
#ifndef MMACDA_BATCH_FORWARD_H
#define MMACDA_BATCH_FORWARD_H
#include "batch.h"

/* u of a tile: read, or made and written. */
static void make_maps(const batch *k, const tile *t, float *u, float *x) {
  int64_t pitch = k->tiling.pitch, channels = k->p->hidden;
  int64_t inputs = k->p->channels;
  if (!k->first) {
    read_tile(k->p, t, channels, k->u, k->p->h, u, pitch);
    return;
  }
  read_tile(k->p, t, inputs, k->x, pixel_strides(k->p), x, pitch);
  multiply(channels, (t->pixels + LANES - 1) / LANES, inputs,
           (left_side){k->first, inputs, 1, 0}, 0, x, pitch, u, pitch, 0);
  write_tile(k->p, t, channels, k->u, k->p->h, u, pitch);
}

/* By chunk: [channel][mean, squares] of u. */
static void moments_unit(void *argument, int64_t unit, float *scratch) {
  batch *k = argument;
  int64_t pitch = k->tiling.pitch, channels = k->p->hidden;
  double *moments = k->moments + unit * channels * 2, count = 0;
  memset(moments, 0, channels * 2 * sizeof(double));
  for (int64_t n = chunk_start(k, unit); n < chunk_start(k, unit + 1); n++) {
    tile t = get_tile(k->p, &k->tiling, n);
    double total = count;
    make_maps(k, &t, scratch, scratch + channels * pitch);
    for (int64_t c = 0; c < channels; c++) {
      const float *values = scratch + c * pitch;
      float mean = add_up(values, t.pixels) / t.pixels;
      total = count;
      join_moments(&total, moments + 2 * c, moments + 2 * c + 1, t.pixels,
                   mean, add_squares(values, t.pixels, mean));
    }
    count = total;
  }
}

static double chunk_pixels(const batch *k, int64_t chunk) {
  double count = 0;
  for (int64_t n = chunk_start(k, chunk); n < chunk_start(k, chunk + 1); n++)
    count += get_tile(k->p, &k->tiling, n).pixels;
  return count;
}

static void fold_first_norm(batch *k) {
  int64_t channels = k->p->hidden;
  double counts[MAX_CHUNKS];
  for (int64_t n = 0; n < k->chunks; n++) counts[n] = chunk_pixels(k, n);
  for (int64_t c = 0; c < channels; c++) {
    double count = 0, mean = 0, squares = 0;
    for (int64_t n = 0; n < k->chunks; n++) {
      const double *part = k->moments + (n * channels + c) * 2;
      join_moments(&count, &mean, &squares, counts[n], part[0], part[1]);
    }
    double scale = 1 / sqrt(squares / count + k->eps1);
    k->mean1[c] = mean;
    k->variance1[c] = squares / count;
    k->inverse1[c] = scale;
    if (k->gamma1) scale *= k->gamma1[c];
    double beta = k->beta1 ? k->beta1[c] : 0;
    k->hidden_norm[c] = (float)scale;
    k->hidden_norm[channels + c] = (float)(beta - mean * scale);
    k->centre[c] = hyperbolic_tangent((vec){0} + (float)beta)[0];
  }
}

static int64_t gram_size(const problem *p) {
  return p->hidden * hidden_pitch(p);
}

/* By chunk: products of centred channels with one another and with ones, no
 * more than the upper triangle. */
static void gram_unit(void *argument, int64_t unit, float *scratch) {
  batch *k = argument;
  int64_t pitch = k->tiling.pitch, channels = k->p->hidden;
  int64_t width = hidden_pitch(k->p), size = gram_size(k->p);
  float *block = scratch, *ht = block + (channels + 1) * pitch;
  float *sums = ht + k->tiling.pixels * width;
  double *gram = k->gram + unit * size;
  int64_t end = chunk_start(k, unit + 1);
  memset(gram, 0, size * sizeof(double));
  for (int64_t n = chunk_start(k, unit), done = 0; n < end; n++) {
    tile t = get_tile(k->p, &k->tiling, n);
    read_centred(k, &t, block);
    transpose(block, channels + 1, t.pixels, pitch, ht, width);
    for (int64_t i = 0; i < channels; i += ROWS) {
      int64_t first = i / LANES * LANES;
      multiply(smaller(ROWS, channels - i), (width - first) / LANES,
               t.pixels, (left_side){block + i * pitch, pitch, 1, 0}, 0,
               ht + first, width, sums + i * width + first, width, done > 0);
    }
    if (++done < TILES_AT_ONCE && n + 1 < end) continue;
    done = 0;
    for (int64_t i = 0; i < channels; i++)
      for (int64_t j = i / ROWS * ROWS / LANES * LANES; j <= channels; j++)
        gram[i * width + j] += sums[i * width + j];
  }
}

/* By channel: a row of Cov(h) from the diagonal on, and its mirror image. */
static void covariance_unit(void *argument, int64_t i, float *scratch) {
  batch *k = argument;
  int64_t channels = k->p->hidden, width = hidden_pitch(k->p);
  (void)scratch;
  for (int64_t j = i; j < channels; j++) {
    double sum = 0;
    for (int64_t n = 0; n < k->chunks; n++)
      sum += k->gram[n * gram_size(k->p) + i * width + j];
    sum = sum / k->pixels - (k->mean_h[i] - k->centre[i]) *
                                (k->mean_h[j] - k->centre[j]);
    k->products[i * channels + j] = k->products[j * channels + i] = sum;
  }
}

static void find_mean(batch *k) {
  int64_t channels = k->p->hidden, width = hidden_pitch(k->p);
  for (int64_t c = 0; c < channels; c++) {
    double sum = 0;
    for (int64_t n = 0; n < k->chunks; n++)
      sum += k->gram[n * gram_size(k->p) + c * width + channels];
    k->mean_h[c] = k->centre[c] + sum / k->pixels;
  }
}

/* By row of W: the second norm folded into it. */
static void fold_unit(void *argument, int64_t n, float *scratch) {
  batch *k = argument;
  int64_t channels = k->p->hidden;
  const float *weight = k->weight + n * channels;
  double *spread = k->spread + n * channels, mean = 0, variance = 0;
  double *wide = (double *)scratch;
  for (int64_t i = 0; i < channels; i++) {
    wide[i] = weight[i];
    mean += wide[i] * k->mean_h[i];
  }
  combine_rows(channels, channels, wide, k->products, spread);
  for (int64_t i = 0; i < channels; i++) variance += weight[i] * spread[i];
  if (variance < 0) variance = 0; /* NaN stays */
  double scale = 1 / sqrt(variance + k->eps2);
  k->mean2[n] = mean;
  k->variance2[n] = variance;
  k->inverse2[n] = scale;
  if (k->gamma2) scale *= k->gamma2[n];
  float *row = k->matrix + n * (channels + 1);
  for (int64_t i = 0; i < channels; i++)
    row[i] = (float)(weight[i] * scale);
  row[channels] = (float)((k->beta2 ? k->beta2[n] : 0) - mean * scale);
}

static int64_t lay_out_batch(batch *k, float *memory) {
  int64_t total = 0, channels = k->p->hidden;
  k->centre = take(&memory, &total, channels);
  k->moments = take_doubles(&memory, &total, k->chunks * channels * 2);
  k->gram = take_doubles(&memory, &total, k->chunks * gram_size(k->p));
  k->products = take_doubles(&memory, &total, channels * channels);
  k->team.scratch_size =
      round_up((channels + 1) * k->tiling.pitch +
                   larger(k->tiling.pixels * hidden_pitch(k->p) +
                              gram_size(k->p) + LANES,
                          k->p->channels * k->tiling.pitch),
               LANES);
  k->team.scratch =
      take(&memory, &total, k->team.scratch_size * k->team.threads);
  return total;
}

int64_t mmacda_saved_doubles(const problem *p) { return saved_doubles(p); }

int64_t mmacda_batch_floats(const problem *p, int threads) {
  batch k = {.p = p, .team = {.threads = threads}};
  begin_batch(&k, NULL);
  return lay_out_batch(&k, NULL);
}

/* Scales and shifts of both norms, and what backward needs of the batch.
 * With `first`, u is made of x. `moments`: means and unbiased variances of
 * the first norm, then of the second. */
void mmacda_batch_norms(const problem *p, const float *x, const float *first,
                        float *u, const float *weight, const float *gamma1,
                        const float *beta1, const float *gamma2,
                        const float *beta2, double eps1, double eps2,
                        float *hidden_norm, float *matrix, double *saved,
                        float *moments, float *memory, int threads, launcher launch) {
  batch k = {.p = p, .x = x, .first = first, .u = u,
             .weight = weight, .gamma1 = gamma1,
             .beta1 = beta1, .gamma2 = gamma2, .beta2 = beta2, .eps1 = eps1,
             .eps2 = eps2, .hidden_norm = hidden_norm, .matrix = matrix};
  k.team = (team){.threads = threads, .launch = launch, .call = &k};
  begin_batch(&k, saved);
  lay_out_batch(&k, memory);
  run_units(&k.team, k.chunks, moments_unit);
  fold_first_norm(&k);
  run_units(&k.team, k.chunks, gram_unit);
  find_mean(&k);
  run_units(&k.team, p->hidden, covariance_unit);
  run_units(&k.team, generator_rows(p), fold_unit);
  int64_t hidden = p->hidden, rows = generator_rows(p);
  double unbiased = k.pixels / (k.pixels - 1);
  for (int64_t n = 0; n < hidden; n++) {
    moments[n] = (float)k.mean1[n];
    moments[hidden + n] = (float)(k.variance1[n] * unbiased);
  }
  moments += 2 * hidden;
  for (int64_t n = 0; n < rows; n++) {
    moments[n] = (float)k.mean2[n];
    moments[rows + n] = (float)(k.variance2[n] * unbiased);
  }
}
#endif
