/* Backward of bfloat16 maps by products of pairs: of outputs for dZ, of
 * channels for dD, of atoms for dx, of pixels for dA. Sums are float32. */
#ifndef MMACDA_DOTS_BACKWARD_H
#define MMACDA_DOTS_BACKWARD_H
#include "dots_forward.h"

#if HAS_DOTS
enum { ATOM_PAIRS = ATOMS / 2 };

static inline int64_t output_pairs(const problem *p) {
  return (group_outputs(p) + 1) / 2;
}
/* What a tile keeps of a span's atoms: pairs of taps, then of atoms. */
static inline int64_t kept_atom_size(const problem *p) {
  return dotted_atom_size(p) + p->taps * atom_pairs(p) * LANES;
}

static void dots_backward_pack_unit(void *argument, int64_t unit,
                                    float *scratch) {
  call *k = argument;
  int64_t outputs = group_outputs(k->p), depth = group_depth(k->p);
  int64_t panels = (depth + ROWS - 1) / ROWS;
  int64_t group = unit / panels, row = unit % panels * ROWS;
  int64_t count = smaller(ROWS, depth - row);
  uint32_t *target =
      (uint32_t *)k->packed + (group * depth + row) * output_pairs(k->p);
  const float *source = k->weight + group * outputs * depth + row;
  (void)scratch;
  for (int64_t o = 0; o < outputs; o += 2, source += 2 * depth)
    for (int64_t i = 0; i < count; i++)
      target[o / 2 * count + i] =
          make_pair(source[i], o + 1 < outputs ? source[depth + i] : 0);
}

static void dots_turn_unit(void *argument, int64_t unit, float *scratch) {
  call *k = argument;
  int64_t rows = generator_rows(k->p), columns = generator_columns(k->p);
  (void)scratch;
  pack_panel(k->p->hidden, rows, (left_side){k->generator, 1, columns, 0},
             unit * ROWS, k->turned_generator);
}

/* [output][pixel] to [pair of pixels][output]; exact, as dy is bfloat16. */
static void transpose_pairs(const float *block, int64_t rows,
                            int64_t columns, int64_t pitch, uint32_t *target,
                            int64_t target_pitch) {
  const uint32_t *bits = (const uint32_t *)block;
  for (int64_t i0 = 0; i0 < rows; i0 += 16)
    for (int64_t j = 0; j < columns; j += 2) /* what follows is zero */
      for (int64_t i = i0; i < smaller(rows, i0 + 16); i++)
        target[j / 2 * target_pitch + i] =
            bits[i * pitch + j] >> 16 |
            (bits[i * pitch + j + 1] & 0xffff0000);
}

/* The rows of every group two by two, in place. */
static DOTTED void pair_outputs(const problem *p, float *dy, int64_t pitch) {
  uint32_t *target = (uint32_t *)dy;
  int64_t outputs = group_outputs(p);
  for (int64_t g = 0; g < p->groups; g++)
    for (int64_t o = 0; o < outputs; o += 2, target += pitch)
      for (int64_t i = 0; i < pitch; i += LANES) {
        const float *source = dy + (g * outputs + o) * pitch + i;
        vec first = load(source);
        store_pairs(target + i,
                    make_pairs(first, o + 1 < outputs ? load(source + pitch)
                                                      : (vec){0}));
      }
}

static DOTTED void keep_atoms(const problem *p, const float *d,
                              uint32_t *kept) {
  pair_atoms(p, d, kept);
  kept += dotted_atom_size(p);
  for (int64_t t = 0; t < p->taps; t++, d += p->atoms * LANES)
    for (int64_t a = 0; a < p->atoms; a += 2, kept += LANES)
      store_pairs(kept, make_pairs(load(d + a * LANES),
                                   a + 1 < p->atoms
                                       ? load(d + (a + 1) * LANES)
                                       : (vec){0}));
}

INLINE DOTTED void dotted_atom_kernel(int M, int N, const problem *p,
                                      const uint32_t *x, int64_t plane,
                                      const pairs *grads, int64_t channels,
                                      const int32_t *offsets, float *dd) {
  vec sum[WIDTH][ATOMS];
  UNROLL for (int t = 0; t < N; t++)
    UNROLL for (int a = 0; a < M; a++)
      sum[t][a] = load(dd + (t * p->atoms + a) * LANES);
  for (int64_t c = 0; c < channels; c += 2) {
    const uint32_t *next = c + 1 < channels ? x + plane : x;
    pairs value[WIDTH];
    /* The lower halves of two planes: those of the second one word on. */
    UNROLL for (int t = 0; t < N; t++)
      value[t] = _mm512_mask_loadu_epi16(
          load_pairs(x + offsets[t]), 0xaaaaaaaa,
          (const uint16_t *)(next + offsets[t]) - 1);
    UNROLL for (int a = 0; a < M; a++) {
      pairs grad = grads[a];
      HOLD(grad);
      UNROLL for (int t = 0; t < N; t++)
        sum[t][a] = add_dots(sum[t][a], value[t], grad);
    }
    x += 2 * plane;
    grads += M;
  }
  UNROLL for (int t = 0; t < N; t++)
    UNROLL for (int a = 0; a < M; a++)
      store(dd + (t * p->atoms + a) * LANES, sum[t][a]);
}

/* As correlate_atoms. */
static DOTTED void correlate_pairs(const problem *p, const uint32_t *planes,
                                   const float *dz, const span *s, float *dd,
                                   int64_t pitch) {
  enum { BLOCK = 2 * CHANNEL_BLOCK };
  int64_t plane = plane_size(p);
  memset(dd, 0, atom_size(p) * sizeof(float));
  for (int64_t c = 0; c < p->channels; c += BLOCK) {
    int64_t channels = smaller(BLOCK, p->channels - c);
    const uint32_t *x = planes + (s->plane + c) * plane + s->base;
    for (int64_t a = 0, M; a < p->atoms; a += M) {
      pairs grads[BLOCK / 2 * ATOMS];
      M = pick_atoms(p->atoms - a);
      for (int64_t n = 0; n < channels; n += 2)
        for (int64_t i = 0; i < M; i++) {
          const float *source =
              dz + ((c + n) * p->atoms + a + i) * pitch + s->pixel;
          grads[n / 2 * M + i] =
              make_pairs(load(source), n + 1 < channels
                                           ? load(source + p->atoms * pitch)
                                           : (vec){0});
        }
      for (int64_t t = 0, N; t < p->taps; t += N) {
        N = pick_width(p->taps - t);
        PICK(dotted_atom_kernel, M, N, p, x, plane, grads, channels,
             p->tap_offsets + t, dd + (t * p->atoms + a) * LANES);
      }
    }
  }
}

INLINE DOTTED void dotted_input_kernel(int M, int N, const problem *p,
                                       float *dx, int64_t plane,
                                       const uint32_t *d, const float *dz,
                                       int64_t left, int64_t pitch,
                                       int length) {
  pairs grad[WIDTH][ATOM_PAIRS];
  UNROLL for (int c = 0; c < N; c++)
    UNROLL for (int a = 0; a < M; a++) {
      const float *source = dz + (c * p->atoms + 2 * a) * pitch;
      grad[c][a] = make_pairs(keep(load(source), length),
                              2 * a + 1 < left
                                  ? keep(load(source + pitch), length)
                                  : (vec){0});
    }
  for (int64_t t = 0; t < p->taps; t++, d += atom_pairs(p) * LANES) {
    float *target = dx + p->tap_offsets[t];
    vec sum[WIDTH];
    UNROLL for (int c = 0; c < N; c++) sum[c] = load(target + c * plane);
    UNROLL for (int a = 0; a < M; a++) {
      pairs atom = load_pairs(d + a * LANES);
      HOLD(atom);
      UNROLL for (int c = 0; c < N; c++)
        sum[c] = add_dots(sum[c], grad[c][a], atom);
    }
    UNROLL for (int c = 0; c < N; c++) store(target + c * plane, sum[c]);
  }
}

/* As spread_input. */
static DOTTED void spread_pairs(const problem *p, float *planes,
                                int64_t channel, int64_t channels,
                                const uint32_t *d, const float *dz,
                                const span *spans, int count,
                                int64_t pitch) {
  int64_t plane = plane_size(p);
  for (int s = 0; s < count; s++, d += kept_atom_size(p))
    for (int64_t c = 0, N; c < channels; c += N) {
      N = pick_width(channels - c);
      float *dx = planes + (spans[s].plane + channel + c) * plane +
                  spans[s].base;
      for (int64_t a = 0; a < atom_pairs(p); a += ATOM_PAIRS) {
        const uint32_t *atoms = d + a * LANES;
        const float *grad = dz + (c * p->atoms + 2 * a) * pitch +
                            spans[s].pixel;
        int64_t left = p->atoms - 2 * a;
        int length = spans[s].length;
        switch (smaller(ATOM_PAIRS, atom_pairs(p) - a)) {
          case 3:
            PICK_WIDTH(dotted_input_kernel, 3, N, p, dx, plane, atoms, grad,
                       left, pitch, length);
            break;
          case 2:
            PICK_WIDTH(dotted_input_kernel, 2, N, p, dx, plane, atoms, grad,
                       left, pitch, length);
            break;
          default:
            PICK_WIDTH(dotted_input_kernel, 1, N, p, dx, plane, atoms, grad,
                       left, pitch, length);
        }
      }
    }
}

/* As tile_unit. */
static DOTTED void dots_tile_unit(void *argument, int64_t unit,
                                  float *scratch) {
  call *k = argument;
  const problem *p = k->p;
  int64_t pitch = k->tiling.pitch;
  tile t = get_tile(p, &k->tiling, k->first_tile + unit);
  int64_t vectors = (t.pixels + LANES - 1) / LANES;
  int64_t coefficients = p->atoms * p->coefficients;
  float *dy = scratch, *alpha = dy + p->out_channels * pitch;
  float *dd = alpha + coefficients * pitch, *hidden = dd + atom_size(p);
  float *dalpha = p->hidden ? hidden + generator_columns(p) * pitch : alpha;
  span spans[MAX_SPANS];
  int count = make_spans(p, &t, spans);
  read_tile(p, &t, p->out_channels, k->y, p->y, dy, pitch);
  if (p->hidden) {
    read_hidden(k, &t, hidden, NULL);
    if (k->ht)
      transpose(hidden, generator_columns(p), t.pixels, pitch,
                k->ht + unit * k->tiling.pixels * hidden_pitch(p),
                hidden_pitch(p));
    make_dotted_coefficients(k, t.pixels, hidden, alpha);
  } else if (k->d) {
    read_tile(p, &t, coefficients, k->alpha, p->alpha, alpha, pitch);
  }
  for (int s = 0; k->d && s < count; s++) {
    compose_atoms(p, alpha, pitch, spans + s, 1, dd);
    keep_atoms(p, dd,
               (uint32_t *)k->d +
                   (unit * k->tiling.spans + s) * kept_atom_size(p));
  }
  if (k->dy)
    transpose_pairs(
        dy, p->out_channels, t.pixels, pitch,
        (uint32_t *)k->dy + unit * k->tiling.pixels * dy_pitch(p),
        dy_pitch(p));
  if (!k->dz) return;
  pair_outputs(p, dy, pitch);
  int64_t depth = group_depth(p);
  float *dz = k->dz + unit * p->channels * p->atoms * pitch;
  for (int64_t g = 0; g < p->groups; g++) {
    left_pairs weight = {(uint32_t *)k->packed + g * depth * output_pairs(p),
                         1, 0, output_pairs(p)};
    multiply_dots(depth, vectors, output_pairs(p), weight, 0,
                  (uint32_t *)dy + g * output_pairs(p) * pitch, pitch,
                  dz + g * depth * pitch, pitch, 0);
  }
  if (!(k->needs & GRAD_ALPHA)) return;
  if (k->dalpha_tiles) dalpha = k->dalpha_tiles + unit * coefficients * pitch;
  for (int s = 0; s < count; s++) {
    correlate_pairs(p, (uint32_t *)k->planes, dz, &spans[s], dd, pitch);
    decompose_atoms(p, dd, dalpha + spans[s].pixel, pitch);
  }
  if (!p->hidden) {
    write_tile(p, &t, coefficients, k->dalpha, p->alpha, dalpha, pitch);
    return;
  }
  undo_activation(k, t.pixels, alpha, dalpha);
  if (!k->dh) return;
  left_side turned = {k->turned_generator, 1, 0, coefficients};
  multiply(p->hidden, vectors, coefficients, turned, 0, dalpha, pitch,
           hidden, pitch, 0);
  write_tile(p, &t, p->hidden, k->dh, p->h, hidden, pitch);
}

INLINE DOTTED void row_kernel(int M, int N, const problem *p,
                              const uint32_t *x, int64_t plane,
                              const uint32_t *d, uint16_t *z,
                              int64_t pitch) {
  vec sum[WIDTH][ATOMS];
  sum_pairs(M, N, p, x, plane, d, sum);
  UNROLL for (int c = 0; c < N; c++)
    UNROLL for (int a = 0; a < M; a++)
      _mm256_storeu_si256(
          (__m256i *)(z + (c * p->atoms + a) * pitch),
          (__m256i)_mm512_cvtneps_pbh((__m512)sum[c][a]));
}

/* Z of some channels of a tile as rows of bfloat16: [channel][atom][pixel],
 * and zero behind the last pixel. */
static DOTTED void convolve_rows(const problem *p, const uint32_t *planes,
                                 int64_t channel, int64_t channels,
                                 const uint32_t *d, const span *spans,
                                 int count, uint16_t *z, int64_t pitch,
                                 int64_t pixels) {
  int64_t plane = plane_size(p);
  for (int s = 0; s < count; s++)
    for (int64_t c = 0, N; c < channels; c += N) {
      N = pick_width(channels - c);
      const uint32_t *x = planes + (spans[s].plane + channel + c) * plane +
                          spans[s].base;
      for (int64_t a = 0, M; a < p->atoms; a += M) {
        M = pick_atoms(p->atoms - a);
        PICK(row_kernel, M, N, p, x, plane,
             d + s * kept_atom_size(p) + a * LANES,
             z + (c * p->atoms + a) * pitch + spans[s].pixel, pitch);
      }
    }
  for (int64_t n = 0; n < channels * p->atoms; n++) z[n * pitch + pixels] = 0;
}

/* As channel_unit. */
static DOTTED void dots_channel_unit(void *argument, int64_t unit,
                                     float *scratch) {
  call *k = argument;
  const problem *p = k->p;
  int64_t pitch = k->tiling.pitch, atoms = p->atoms;
  int64_t blocks = (group_width(p) + k->block - 1) / k->block;
  int64_t group = unit / blocks, c = unit % blocks * k->block;
  int64_t channels = smaller(k->block, group_width(p) - c);
  uint16_t *z = (uint16_t *)scratch;
  c += group * group_width(p);
  for (int64_t n = k->first_tile; n < k->last_tile; n++) {
    int64_t slot = n - k->first_tile;
    tile t = get_tile(p, &k->tiling, n);
    span spans[MAX_SPANS];
    int count = make_spans(p, &t, spans);
    const uint32_t *d =
        (uint32_t *)k->d + slot * k->tiling.spans * kept_atom_size(p);
    if (k->needs & GRAD_WEIGHT) {
      left_pairs rows = {(uint32_t *)z, pitch / 2, 1, 0};
      convolve_rows(p, (uint32_t *)k->planes, c, channels, d, spans, count, z,
                    pitch, t.pixels);
      multiply_dots(channels * atoms, dweight_pitch(p) / LANES,
                    (t.pixels + 1) / 2, rows, 0,
                    (uint32_t *)k->dy +
                        slot * k->tiling.pixels * dy_pitch(p) +
                        group * group_outputs(p),
                    dy_pitch(p), k->dpacked + c * atoms * dweight_pitch(p),
                    dweight_pitch(p), n > 0);
    }
    if (k->needs & GRAD_INPUT)
      spread_pairs(p, k->dplanes, c, channels, d + dotted_atom_size(p),
                   k->dz + (slot * p->channels + c) * atoms * pitch, spans,
                   count, pitch);
  }
}
#endif
#endif
