/* Coefficients made in a tile from the hidden maps: alpha = act(G [h; 1]),
 * where G is (atoms * coefficients) x (hidden + 1), and back. */
#ifndef MMACDA_GENERATOR_H
#define MMACDA_GENERATOR_H
#include "call.h"

/* Bits of problem.activation: of the coefficients, and of the hidden maps,
 * which then come without it. */
enum { TANH = 1, HIDDEN_TANH = 2 };

static inline int64_t generator_rows(const problem *p) {
  return p->atoms * p->coefficients;
}
static inline int64_t generator_columns(const problem *p) {
  return p->hidden + 1;
}
/* Row length of the hidden maps as [pixel][channel], and of dG. */
static inline int64_t hidden_pitch(const problem *p) {
  return round_up(generator_columns(p), LANES);
}

INLINE vec clamp(vec v, float limit) {
  vec high = (vec){0} + limit, low = -high;
  mask_vec above = v > high, below = v < low; /* NaN is neither */
  v = (vec)(((mask_vec)high & above) | ((mask_vec)v & ~above));
  return (vec)(((mask_vec)low & below) | ((mask_vec)v & ~below));
}

/* x P(x^2) / Q(x^2), fitted to tanh on [-9, 9] by least squares with weights
 * that level the error; beyond, tanh is 1 in float32. Within 4e-7. */
INLINE vec hyperbolic_tangent(vec x) {
  x = clamp(x, 9);
  vec u = x * x;
  vec top = u * -1.22461034e-11f + 3.0642312e-08f;
  top = top * u + 2.8031214e-05f;
  top = top * u + 0.003869503f;
  top = top * u + 0.13680853f;
  top = top * u + 1.0f;
  vec bottom = u * 1.2890285e-06f + 0.00039407046f;
  bottom = bottom * u + 0.027250137f;
  bottom = bottom * u + 0.47014186f;
  bottom = bottom * u + 1.0f;
  return clamp(x * top / bottom, 1);
}

/* Packs G for products with the hidden maps, or turned for those with the
 * gradient of the coefficients. */
static void generator_pack_unit(void *argument, int64_t unit,
                                float *scratch) {
  call *k = argument;
  int64_t rows = generator_rows(k->p), columns = generator_columns(k->p);
  int64_t panels = (rows + ROWS - 1) / ROWS;
  left_side plain = {k->generator, columns, 1, 0};
  left_side turned = {k->generator, 1, columns, 0};
  left_side first = {k->first, k->p->maps + 1, 1, 0};
  (void)scratch;
  if (unit < panels)
    pack_panel(rows, columns, plain, unit * ROWS, k->packed_generator);
  else if (k->first)
    pack_panel(k->p->hidden, k->p->maps + 1, first, (unit - panels) * ROWS,
               k->packed_first);
  else
    pack_panel(k->p->hidden, rows, turned, (unit - panels) * ROWS,
               k->turned_generator);
}

static void pack_generator(call *k) {
  int64_t units = (generator_rows(k->p) + ROWS - 1) / ROWS;
  if (k->turned_generator || k->first)
    units += (k->p->hidden + ROWS - 1) / ROWS;
  run_units(&k->team, units, generator_pack_unit);
}

/* The hidden maps of a tile, [channel][pixel], and a channel of ones. `block`
 * has room for the input's channels and one more, where they are read. */
static void read_hidden(const call *k, const tile *t, float *hidden,
                        float *block) {
  int64_t pitch = k->tiling.pitch, channels = k->p->hidden;
  int64_t vectors = (t->pixels + LANES - 1) / LANES, maps = k->p->maps;
  if (k->first) {
    left_side packed = {k->packed_first, 1, 0, maps + 1};
    read_tile(k->p, t, maps, k->h, k->p->h, block, pitch);
    for (int64_t i = 0; i < pitch; i++) block[maps * pitch + i] = 1;
    multiply(channels, vectors, maps + 1, packed, 0, block, pitch, hidden,
             pitch, 0);
  } else {
    read_tile(k->p, t, channels, k->h, k->p->h, hidden, pitch);
  }
  int tanh = k->p->activation & HIDDEN_TANH;
  for (int64_t n = 0; (k->hidden_norm || k->first) && n < channels; n++) {
    float scale = k->first ? 1 : k->hidden_norm[n];
    float shift = k->first ? 0 : k->hidden_norm[channels + n];
    for (int64_t i = 0; i < vectors; i++) {
      float *at = hidden + n * pitch + i * LANES;
      vec value = load(at) * scale + shift;
      store(at, tanh ? hyperbolic_tangent(value) : value);
    }
  }
  for (int64_t i = 0; i < pitch; i++) hidden[channels * pitch + i] = 1;
}

/* [atom][coefficient][pixel] of a tile. */
static void make_coefficients(const call *k, int64_t pixels,
                              const float *hidden, float *alpha) {
  int64_t pitch = k->tiling.pitch, rows = generator_rows(k->p);
  int64_t columns = generator_columns(k->p);
  int64_t vectors = (pixels + LANES - 1) / LANES;
  left_side packed = {k->packed_generator, 1, 0, columns};
  multiply(rows, vectors, columns, packed, 0, hidden, pitch, alpha, pitch,
           0);
  for (int64_t n = 0; n < rows; n++) /* defined values in the slack */
    memset(alpha + n * pitch + vectors * LANES, 0,
           (pitch - vectors * LANES) * sizeof(float));
  if (!(k->p->activation & TANH)) return;
  for (int64_t n = 0; n < rows; n++)
    for (int64_t i = 0; i < vectors; i++) {
      float *at = alpha + n * pitch + i * LANES;
      store(at, hyperbolic_tangent(load(at)));
    }
}

/* The gradient of G [h; 1] from that of the coefficients, in place. */
static void undo_activation(const call *k, int64_t pixels,
                            const float *alpha, float *dalpha) {
  int64_t pitch = k->tiling.pitch, rows = generator_rows(k->p);
  int64_t vectors = (pixels + LANES - 1) / LANES;
  if (!(k->p->activation & TANH)) return;
  for (int64_t n = 0; n < rows; n++)
    for (int64_t i = 0; i < vectors; i++) {
      int64_t at = n * pitch + i * LANES;
      vec value = load(alpha + at);
      store(dalpha + at, load(dalpha + at) * (1 - value * value));
    }
}

/* By rows of G: its gradient, over the tiles of a round. */
static void generator_unit(void *argument, int64_t unit, float *scratch) {
  call *k = argument;
  int64_t pitch = k->tiling.pitch, width = hidden_pitch(k->p);
  int64_t row = unit * ROWS, rows = generator_rows(k->p);
  (void)scratch;
  for (int64_t n = k->first_tile; n < k->last_tile; n++) {
    int64_t slot = n - k->first_tile;
    tile t = get_tile(k->p, &k->tiling, n);
    multiply(smaller(ROWS, rows - row), width / LANES, t.pixels,
             (left_side){k->dalpha_tiles + (slot * rows + row) * pitch,
                         pitch, 1, 0},
             0, k->ht + slot * k->tiling.pixels * width, width,
             k->dgenerator + row * width, width, n > 0);
  }
}
#endif
