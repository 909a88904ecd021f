/* Vectors of neighbouring pixels, and how many of them fit the registers. */
#ifndef MMACDA_LANES_H
#define MMACDA_LANES_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* LANES floats per vector. A block of a matrix product is ROWS x COLUMNS
 * vectors; the atom kernels take up to WIDTH channels or taps at a time. */
#if defined(__AVX512F__)
enum { LANES = 16, ROWS = 8, COLUMNS = 3, WIDTH = 4 };
#elif defined(__AVX__)
enum { LANES = 8, ROWS = 4, COLUMNS = 3, WIDTH = 2 };
#elif defined(__aarch64__)
enum { LANES = 4, ROWS = 8, COLUMNS = 3, WIDTH = 4 };
#else
enum { LANES = 4, ROWS = 4, COLUMNS = 2, WIDTH = 2 };
#endif
enum { ATOMS = 6 }; /* at a time; more are taken in turns */

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float loose_vec
    __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t mask_vec __attribute__((vector_size(4 * LANES)));

#define INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

INLINE vec load(const float *p) { return *(const loose_vec *)p; }
INLINE void store(float *p, vec v) { *(loose_vec *)p = v; }

/* Reads v once: compilers would rather load it again for every product, and
 * loads are fewer per cycle than products. The empty instruction "changes" v
 * in its register, so that it cannot be taken from memory a second time; its
 * letter names the registers of each kind of CPU. Others do without. */
#if defined(__AVX512F__)
#define HOLD(v) __asm__("" : "+v"(v))
#elif defined(__AVX__)
#define HOLD(v) __asm__("" : "+x"(v))
#elif defined(__aarch64__)
#define HOLD(v) __asm__("" : "+w"(v))
#else
#define HOLD(v) ((void)0)
#endif

/* v with the lanes from n on set to zero. */
INLINE vec keep(vec v, int n) {
  mask_vec lane;
  for (int i = 0; i < LANES; i++) lane[i] = i;
  return (vec)((mask_vec)v & (lane < n));
}

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

/* Keeps branches that are never taken within the bounds of their arrays. */
#define AT_MOST(limit, n) ((limit) < (n) ? (limit) : (n))

/* Calls KERNEL(atoms, width, ...) with both as compile-time constants. */
#define PICK_WIDTH(KERNEL, M, width, ...) \
  switch (width) { \
    case 4: KERNEL(M, AT_MOST(WIDTH, 4), __VA_ARGS__); break; \
    case 2: KERNEL(M, 2, __VA_ARGS__); break; \
    default: KERNEL(M, 1, __VA_ARGS__); \
  }
#define PICK(KERNEL, atoms, width, ...) \
  switch (atoms) { \
    case 6: PICK_WIDTH(KERNEL, 6, width, __VA_ARGS__); break; \
    case 4: PICK_WIDTH(KERNEL, 4, width, __VA_ARGS__); break; \
    case 2: PICK_WIDTH(KERNEL, 2, width, __VA_ARGS__); break; \
    default: PICK_WIDTH(KERNEL, 1, width, __VA_ARGS__); \
  }
/* The largest of those constants that does not exceed what is left. */
static inline int pick_atoms(int64_t left) {
  return left >= ATOMS ? ATOMS : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}
static inline int pick_width(int64_t left) {
  return left >= WIDTH ? WIDTH : left >= 2 ? 2 : 1;
}
#endif
