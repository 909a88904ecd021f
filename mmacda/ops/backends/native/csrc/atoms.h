/* Atoms from coefficients and back (Eq. 4), and the atom convolution (Eq. 5)
 * with its two gradients. The atoms D of a span are [tap][atom][lane]. */
#ifndef MMACDA_ATOMS_H
#define MMACDA_ATOMS_H
#include "problem.h"

static inline int64_t atom_size(const problem *p) {
  return p->taps * p->atoms * LANES;
}

INLINE void compose_kernel(int M, int width, const problem *p,
                           const float *alpha, int64_t pitch, float *d) {
  (void)width;
  for (int64_t t = 0; t < p->taps; t++, d += p->atoms * LANES) {
    vec sum[ATOMS];
    UNROLL for (int a = 0; a < M; a++) sum[a] = (vec){0};
    for (int32_t n = p->by_tap_start[t]; n < p->by_tap_start[t + 1]; n++) {
      const float *source = alpha + p->by_tap_index[n] * pitch;
      float value = p->by_tap_value[n];
      UNROLL for (int a = 0; a < M; a++)
        sum[a] += value * load(source + a * p->coefficients * pitch);
    }
    UNROLL for (int a = 0; a < M; a++) store(d + a * LANES, sum[a]);
  }
}

/* D of the spans of a tile from its coefficients,
 * [atom][coefficient][pixel]. */
static void compose_atoms(const problem *p, const float *alpha,
                          int64_t pitch, const span *spans, int count,
                          float *d) {
  for (int s = 0; s < count; s++, d += atom_size(p))
    for (int64_t a = 0, M; a < p->atoms; a += M) {
      M = pick_atoms(p->atoms - a);
      PICK(compose_kernel, M, 1, p,
           alpha + a * p->coefficients * pitch + spans[s].pixel, pitch,
           d + a * LANES);
    }
}

INLINE void decompose_kernel(int M, int width, const problem *p,
                             const float *dd, float *dalpha, int64_t pitch) {
  (void)width;
  for (int64_t j = 0; j < p->coefficients; j++) {
    vec sum[ATOMS];
    UNROLL for (int a = 0; a < M; a++) sum[a] = (vec){0};
    for (int32_t n = p->by_coefficient_start[j];
         n < p->by_coefficient_start[j + 1]; n++) {
      const float *source =
          dd + p->by_coefficient_index[n] * p->atoms * LANES;
      float value = p->by_coefficient_value[n];
      UNROLL for (int a = 0; a < M; a++)
        sum[a] += value * load(source + a * LANES);
    }
    UNROLL for (int a = 0; a < M; a++)
      store(dalpha + (a * p->coefficients + j) * pitch, sum[a]);
  }
}

/* Gradient of the coefficients of one span from that of its atoms,
 * [tap][atom][lane]. */
static void decompose_atoms(const problem *p, const float *dd, float *dalpha,
                            int64_t pitch) {
  for (int64_t a = 0, M; a < p->atoms; a += M) {
    M = pick_atoms(p->atoms - a);
    PICK(decompose_kernel, M, 1, p, dd + a * LANES,
         dalpha + a * p->coefficients * pitch, pitch);
  }
}

INLINE void forward_kernel(int M, int N, const problem *p, const float *x,
                           int64_t plane, const float *d, float *z,
                           int64_t pitch) {
  vec sum[WIDTH][ATOMS];
  UNROLL for (int c = 0; c < N; c++)
    UNROLL for (int a = 0; a < M; a++) sum[c][a] = (vec){0};
  for (int64_t t = 0; t < p->taps; t++, d += p->atoms * LANES) {
    const float *source = x + p->tap_offsets[t];
    UNROLL for (int c = 0; c < N; c++) __builtin_prefetch(source + (N + c) * plane);
    vec value[WIDTH];
    UNROLL for (int c = 0; c < N; c++) value[c] = load(source + c * plane);
    UNROLL for (int a = 0; a < M; a++) {
      vec atom = load(d + a * LANES);
      HOLD(atom);
      UNROLL for (int c = 0; c < N; c++) sum[c][a] += value[c] * atom;
    }
  }
  UNROLL for (int c = 0; c < N; c++)
    UNROLL for (int a = 0; a < M; a++)
      store(z + (c * p->atoms + a) * pitch, sum[c][a]);
}

/* Z of some channels of a tile: [channel][atom][pixel]. The junk lanes of a
 * row are overwritten by the next row. */
static void convolve_atoms(const problem *p, const float *planes,
                           int64_t channel, int64_t channels, const float *d,
                           const span *spans, int count, float *z,
                           int64_t pitch) {
  int64_t plane = plane_size(p);
  for (int s = 0; s < count; s++)
    for (int64_t c = 0, N; c < channels; c += N) {
      N = pick_width(channels - c);
      const float *x = planes + (spans[s].plane + channel + c) * plane +
                       spans[s].base;
      for (int64_t a = 0, M; a < p->atoms; a += M) {
        M = pick_atoms(p->atoms - a);
        PICK(forward_kernel, M, N, p, x, plane,
             d + s * atom_size(p) + a * LANES,
             z + (c * p->atoms + a) * pitch + spans[s].pixel, pitch);
      }
    }
}

INLINE void input_kernel(int M, int N, const problem *p, float *dx,
                         int64_t plane, const float *d, const float *dz,
                         int64_t pitch, int length) {
  vec grad[WIDTH][ATOMS];
  UNROLL for (int c = 0; c < N; c++)
    UNROLL for (int a = 0; a < M; a++)
      grad[c][a] = keep(load(dz + (c * p->atoms + a) * pitch), length);
  for (int64_t t = 0; t < p->taps; t++, d += p->atoms * LANES) {
    float *target = dx + p->tap_offsets[t];
    vec sum[WIDTH];
    UNROLL for (int c = 0; c < N; c++) sum[c] = load(target + c * plane);
    UNROLL for (int a = 0; a < M; a++) {
      vec atom = load(d + a * LANES);
      HOLD(atom);
      UNROLL for (int c = 0; c < N; c++) sum[c] += grad[c][a] * atom;
    }
    UNROLL for (int c = 0; c < N; c++) store(target + c * plane, sum[c]);
  }
}

/* Adds a tile's part of the input's gradient, for some channels. Taps are
 * ordered by columns, so that two neighbouring steps touch two rows. */
static void spread_input(const problem *p, float *planes, int64_t channel,
                         int64_t channels, const float *d, const float *dz,
                         const span *spans, int count, int64_t pitch) {
  int64_t plane = plane_size(p);
  for (int s = 0; s < count; s++)
    for (int64_t c = 0, N; c < channels; c += N) {
      N = pick_width(channels - c);
      float *dx = planes + (spans[s].plane + channel + c) * plane +
                  spans[s].base;
      for (int64_t a = 0, M; a < p->atoms; a += M) {
        M = pick_atoms(p->atoms - a);
        PICK(input_kernel, M, N, p, dx, plane,
             d + s * atom_size(p) + a * LANES,
             dz + (c * p->atoms + a) * pitch + spans[s].pixel, pitch,
             spans[s].length);
      }
    }
}

INLINE void atom_kernel(int M, int N, const problem *p, const float *x,
                        int64_t plane, const vec *grads, int64_t channels,
                        const int32_t *offsets, float *dd) {
  vec sum[WIDTH][ATOMS];
  UNROLL for (int t = 0; t < N; t++)
    UNROLL for (int a = 0; a < M; a++)
      sum[t][a] = load(dd + (t * p->atoms + a) * LANES);
  for (int64_t c = 0; c < channels; c++) {
    vec value[WIDTH];
    UNROLL for (int t = 0; t < N; t++) value[t] = load(x + offsets[t]);
    UNROLL for (int a = 0; a < M; a++) {
      vec grad = grads[a];
      HOLD(grad);
      UNROLL for (int t = 0; t < N; t++) sum[t][a] += value[t] * grad;
    }
    x += plane;
    grads += M;
  }
  UNROLL for (int t = 0; t < N; t++)
    UNROLL for (int a = 0; a < M; a++)
      store(dd + (t * p->atoms + a) * LANES, sum[t][a]);
}

/* Gradient of the atoms of one span from all channels. */
static void correlate_atoms(const problem *p, const float *planes,
                            const float *dz, const span *s, float *dd,
                            int64_t pitch) {
  enum { BLOCK = 2 * CHANNEL_BLOCK };
  int64_t plane = plane_size(p);
  memset(dd, 0, atom_size(p) * sizeof(float));
  for (int64_t c = 0; c < p->channels; c += BLOCK) {
    int64_t channels = smaller(BLOCK, p->channels - c);
    const float *x = planes + (s->plane + c) * plane + s->base;
    for (int64_t a = 0, M; a < p->atoms; a += M) {
      vec grads[BLOCK * ATOMS]; /* aligned, and read once per WIDTH taps */
      M = pick_atoms(p->atoms - a);
      for (int64_t n = 0; n < channels; n++)
        for (int64_t i = 0; i < M; i++)
          grads[n * M + i] =
              load(dz + ((c + n) * p->atoms + a + i) * pitch + s->pixel);
      for (int64_t t = 0, N; t < p->taps; t += N) {
        N = pick_width(p->taps - t);
        PICK(atom_kernel, M, N, p, x, plane, grads, channels,
             p->tap_offsets + t, dd + (t * p->atoms + a) * LANES);
      }
    }
  }
}
#endif
