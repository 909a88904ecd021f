/* Forward of bfloat16 maps by products of pairs: along the depth of both
 * matrices, and in the atom convolution of two taps that are `pair_step`
 * apart, which the planes hold side by side at every pixel. */
#ifndef MMACDA_DOTS_FORWARD_H
#define MMACDA_DOTS_FORWARD_H
#include "dots.h"

#if HAS_DOTS
static inline int64_t atom_pairs(const problem *p) {
  return (p->atoms + 1) / 2;
}
static inline int64_t group_pairs(const problem *p) {
  return p->channels / p->groups * atom_pairs(p);
}
/* Of hidden maps, and one of the shift: its value and what rounding took. */
static inline int64_t hidden_pairs(const problem *p) {
  return (p->hidden + 1) / 2 + 1;
}
/* Of the atoms of a span: [pair of taps][atom][lane]. */
static inline int64_t dotted_atom_size(const problem *p) {
  return p->tap_pairs * p->atoms * LANES;
}

static DOTTED void pad_pairs_unit(void *argument, int64_t unit,
                                  float *scratch) {
  call *k = argument;
  const problem *p = k->p;
  int64_t blocks = (p->channels + CHANNEL_BLOCK - 1) / CHANNEL_BLOCK;
  int64_t channel = unit % blocks * CHANNEL_BLOCK, size = plane_size(p);
  int64_t channels = smaller(CHANNEL_BLOCK, p->channels - channel);
  const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
  pad_unit(k, unit, scratch);
  for (int64_t c = 0; c < channels; c++) {
    /* In place: what is read ahead has not been paired yet. */
    uint32_t *plane =
        (uint32_t *)k->planes +
        (unit / blocks * p->channels + channel + c) * size;
    int64_t i = 0;
    for (; i + LANES + p->pair_step <= size; i += LANES)
      store_pairs(plane + i,
                  _mm512_or_si512(
                      _mm512_srli_epi32(load_pairs(plane + i), 16),
                      _mm512_and_si512(load_pairs(plane + i + p->pair_step),
                                       upper)));
    for (; i < size; i++)
      plane[i] = plane[i] >> 16 | (i + p->pair_step < size
                                       ? plane[i + p->pair_step] & 0xffff0000
                                       : 0);
  }
}

/* Packs one panel of the weight: pairs of atoms of a channel. */
static void dots_pack_unit(void *argument, int64_t unit, float *scratch) {
  call *k = argument;
  const problem *p = k->p;
  int64_t outputs = group_outputs(p), depth = group_pairs(p);
  int64_t panels = (outputs + ROWS - 1) / ROWS;
  int64_t group = unit / panels, row = unit % panels * ROWS;
  int64_t count = smaller(ROWS, outputs - row);
  uint32_t *target =
      (uint32_t *)k->packed + (group * outputs + row) * depth;
  (void)scratch;
  for (int64_t i = 0; i < count; i++) {
    const float *source =
        k->weight + (group * outputs + row + i) * group_depth(p);
    for (int64_t c = 0; c < group_width(p); c++, source += p->atoms)
      for (int64_t a = 0; a < p->atoms; a += 2)
        target[(c * atom_pairs(p) + a / 2) * count + i] =
            make_pair(source[a], a + 1 < p->atoms ? source[a + 1] : 0);
  }
}

/* Packs one panel of the generator's matrix. */
static void dots_generator_unit(void *argument, int64_t unit,
                                float *scratch) {
  call *k = argument;
  const problem *p = k->p;
  int64_t row = unit * ROWS, count = smaller(ROWS, generator_rows(p) - row);
  uint32_t *target =
      (uint32_t *)k->packed_generator + row * hidden_pairs(p);
  (void)scratch;
  for (int64_t i = 0; i < count; i++) {
    const float *source = k->generator + (row + i) * generator_columns(p);
    float shift = source[p->hidden];
    for (int64_t n = 0; n < p->hidden; n += 2)
      target[n / 2 * count + i] =
          make_pair(source[n], n + 1 < p->hidden ? source[n + 1] : 0);
    target[(hidden_pairs(p) - 1) * count + i] =
        make_pair(shift, shift - from_bfloat16(to_bfloat16(shift)));
  }
}

static void pack_dotted_generator(call *k) {
  run_units(&k->team, (generator_rows(k->p) + ROWS - 1) / ROWS,
            dots_generator_unit);
}

static void pack_dots(call *k) {
  const problem *p = k->p;
  if (p->hidden) pack_dotted_generator(k);
  run_units(&k->team, p->groups * ((group_outputs(p) + ROWS - 1) / ROWS),
            dots_pack_unit);
}

/* What follows the product, as in make_coefficients. */
static void activate(const call *k, int64_t vectors, float *alpha) {
  int64_t pitch = k->tiling.pitch, rows = generator_rows(k->p);
  for (int64_t n = 0; n < rows; n++, alpha += pitch) {
    for (int64_t i = 0; k->p->activation & TANH && i < vectors; i++)
      store(alpha + i * LANES, hyperbolic_tangent(load(alpha + i * LANES)));
    memset(alpha + vectors * LANES, 0,
           (pitch - vectors * LANES) * sizeof(float));
  }
}

/* As make_coefficients; the hidden maps become pairs in place. */
static DOTTED void make_dotted_coefficients(const call *k, int64_t pixels,
                                            float *hidden, float *alpha) {
  const problem *p = k->p;
  int64_t pitch = k->tiling.pitch, vectors = (pixels + LANES - 1) / LANES;
  int64_t depth = hidden_pairs(p);
  uint32_t *target = (uint32_t *)hidden;
  left_pairs matrix = {(uint32_t *)k->packed_generator, 1, 0, depth};
  for (int64_t n = 0; n < p->hidden; n += 2)
    for (int64_t i = 0; i < pitch; i += LANES) {
      vec second = n + 1 < p->hidden ? load(hidden + (n + 1) * pitch + i)
                                     : (vec){0};
      store_pairs(target + n / 2 * pitch + i,
                  make_pairs(load(hidden + n * pitch + i), second));
    }
  for (int64_t i = 0; i < pitch; i++)
    target[(depth - 1) * pitch + i] = 0x3f803f80; /* two ones */
  multiply_dots(generator_rows(p), vectors, depth, matrix, 0, target, pitch,
                alpha, pitch, 0);
  activate(k, vectors, alpha);
}

/* Atoms of a span as pairs of taps. */
static DOTTED void pair_atoms(const problem *p, const float *d,
                              uint32_t *target) {
  for (int64_t q = 0; q < p->tap_pairs; q++) {
    const float *first = d + p->pair_first[q] * p->atoms * LANES;
    const float *second = d + p->pair_second[q] * p->atoms * LANES;
    for (int64_t a = 0; a < p->atoms; a++, target += LANES)
      store_pairs(target,
                  make_pairs(load(first + a * LANES),
                             p->pair_second[q] < 0
                                 ? (vec){0}
                                 : load(second + a * LANES)));
  }
}

INLINE DOTTED void sum_pairs(int M, int N, const problem *p,
                             const uint32_t *x, int64_t plane,
                             const uint32_t *d, vec sum[WIDTH][ATOMS]) {
  UNROLL for (int c = 0; c < N; c++)
    UNROLL for (int a = 0; a < M; a++) sum[c][a] = (vec){0};
  for (int64_t q = 0; q < p->tap_pairs; q++, d += p->atoms * LANES) {
    const uint32_t *source = x + p->tap_offsets[p->pair_first[q]];
    UNROLL for (int c = 0; c < N; c++)
      __builtin_prefetch(source + (N + c) * plane);
    pairs value[WIDTH];
    /* Zero times what is not finite would not be zero. */
    __mmask32 taken = p->pair_second[q] < 0 ? 0x55555555 : 0xffffffff;
    UNROLL for (int c = 0; c < N; c++)
      value[c] = _mm512_maskz_loadu_epi16(taken, source + c * plane);
    UNROLL for (int a = 0; a < M; a++) {
      pairs atom = load_pairs(d + a * LANES);
      HOLD(atom);
      UNROLL for (int c = 0; c < N; c++)
        sum[c][a] = add_dots(sum[c][a], value[c], atom);
    }
  }
}

INLINE DOTTED void pair_kernel(int M, int N, const problem *p,
                               const uint32_t *x, int64_t plane,
                               const uint32_t *d, uint32_t *z,
                               int64_t pitch) {
  vec sum[WIDTH][ATOMS];
  sum_pairs(M, N, p, x, plane, d, sum);
  UNROLL for (int c = 0; c < N; c++)
    UNROLL for (int a = 0; a < M; a += 2)
      store_pairs(z + (c * atom_pairs(p) + a / 2) * pitch,
                  make_pairs(sum[c][a],
                             a + 1 < M ? sum[c][AT_MOST(ATOMS - 1, a + 1)]
                                       : (vec){0}));
}

/* Z of some channels of a tile as pairs of atoms: [channel][pair][pixel]. */
static DOTTED void convolve_pairs(const problem *p, const uint32_t *planes,
                                  int64_t channel, int64_t channels,
                                  const uint32_t *d, const span *spans,
                                  int count, uint32_t *z, int64_t pitch) {
  int64_t plane = plane_size(p);
  for (int s = 0; s < count; s++)
    for (int64_t c = 0, N; c < channels; c += N) {
      N = pick_width(channels - c);
      const uint32_t *x = planes + (spans[s].plane + channel + c) * plane +
                          spans[s].base;
      for (int64_t a = 0, M; a < p->atoms; a += M) {
        M = pick_atoms(p->atoms - a);
        PICK(pair_kernel, M, N, p, x, plane,
             d + s * dotted_atom_size(p) + a * LANES,
             z + (c * atom_pairs(p) + a / 2) * pitch + spans[s].pixel,
             pitch);
      }
    }
}

static DOTTED void dots_forward_unit(void *argument, int64_t unit,
                                     float *scratch) {
  call *k = argument;
  const problem *p = k->p;
  int64_t pitch = k->tiling.pitch;
  tile t = get_tile(p, &k->tiling, unit);
  span spans[MAX_SPANS];
  int count = make_spans(p, &t, spans);
  int64_t vectors = (t.pixels + LANES - 1) / LANES;
  uint32_t *d = (uint32_t *)scratch; /* each span's in place of its floats */
  float *y = scratch + k->tiling.spans * atom_size(p);
  float *alpha = y + p->out_channels * pitch;
  uint32_t *z = (uint32_t *)alpha; /* before alpha is needed no more */
  if (p->hidden) {
    float *hidden =
        alpha + pitch * p->atoms * larger(CHANNEL_BLOCK, p->coefficients);
    read_hidden(k, &t, hidden, NULL);
    make_dotted_coefficients(k, t.pixels, hidden, alpha);
  } else {
    read_tile(p, &t, p->atoms * p->coefficients, k->alpha, p->alpha, alpha,
              pitch);
  }
  float *whole = scratch + k->team.scratch_size - atom_size(p);
  for (int s = 0; s < count; s++) {
    compose_atoms(p, alpha, pitch, spans + s, 1, whole);
    pair_atoms(p, whole, d + s * dotted_atom_size(p));
  }
  for (int64_t g = 0; g < p->groups; g++) {
    int64_t width = group_width(p), outputs = group_outputs(p);
    left_pairs weight = {(uint32_t *)k->packed + g * outputs * group_pairs(p),
                         1, 0, group_pairs(p)};
    for (int64_t c = 0; c < width; c += CHANNEL_BLOCK) {
      int64_t channels = smaller(CHANNEL_BLOCK, width - c);
      convolve_pairs(p, (uint32_t *)k->planes, g * width + c, channels, d,
                     spans, count, z, pitch);
      multiply_dots(outputs, vectors, channels * atom_pairs(p), weight,
                    c * atom_pairs(p), z, pitch, y + g * outputs * pitch,
                    pitch, c > 0);
    }
  }
  write_tile(p, &t, p->out_channels, k->y, p->y, y, pitch);
}
#endif
#endif
