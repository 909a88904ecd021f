/* bfloat16 pairs: products of two by two, which some CPUs add to a float32
 * sum in one instruction. Maps in memory are exact in it; weights, atoms and
 * what goes between two products are rounded to the nearest. */
#ifndef MMACDA_DOTS_H
#define MMACDA_DOTS_H
#include "generator.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && \
    (defined(__clang__) ? __clang_major__ >= 9 : __GNUC__ >= 10)
#define HAS_DOTS 1
#include <cpuid.h>
#include <immintrin.h>

/* The rest of the library is for CPUs without the instruction too. */
#define DOTTED __attribute__((target("avx512f,avx512bw,avx512bf16")))
/* Two bfloat16 in each of LANES: 32 bits, the first in the lower half. */
typedef __m512i pairs;

static int cpu_has_dots(void) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 5 & 1;
}

INLINE DOTTED pairs load_pairs(const uint32_t *p) {
  return _mm512_loadu_si512(p);
}

INLINE DOTTED void store_pairs(uint32_t *p, pairs v) {
  _mm512_storeu_si512(p, v);
}

INLINE DOTTED vec add_dots(vec sum, pairs a, pairs b) {
  return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

INLINE DOTTED pairs make_pairs(vec first, vec second) {
  const __m512i order = _mm512_set_epi16(
      31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
      6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(
      order, (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first));
}

static inline uint32_t make_pair(float first, float second) {
  return to_bfloat16(first) | (uint32_t)to_bfloat16(second) << 16;
}

/* Rows of LANES pairs times broadcast pairs, as multiply_block in gemm.h. */
INLINE DOTTED void dots_block(int rows, int columns, int64_t depth,
                              const uint32_t *a, int64_t row_step,
                              int64_t depth_step, const uint32_t *b,
                              int64_t ldb, float *c, int64_t ldc, int add) {
  vec sum[ROWS][COLUMNS];
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int j = 0; j < columns; j++)
      sum[i][j] = add ? load(c + i * ldc + j * LANES) : (vec){0};
  for (int64_t k = 0; k < depth; k++) {
    pairs right[COLUMNS];
    UNROLL for (int j = 0; j < columns; j++)
      right[j] = load_pairs(b + k * ldb + j * LANES);
    UNROLL for (int i = 0; i < rows; i++) {
      pairs left = _mm512_set1_epi32((int)a[i * row_step + k * depth_step]);
      UNROLL for (int j = 0; j < columns; j++)
        sum[i][j] = add_dots(sum[i][j], left, right[j]);
    }
  }
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int j = 0; j < columns; j++)
      store(c + i * ldc + j * LANES, sum[i][j]);
}

#define DOTS(R, N) \
  dots_block(R, N, depth, a, row_step, depth_step, b, ldb, c, ldc, add)
#define DOTS_ROWS(R) \
  switch (columns) { \
    case 3: DOTS(R, AT_MOST(COLUMNS, 3)); break; \
    case 2: DOTS(R, 2); break; \
    default: DOTS(R, 1); \
  }

static DOTTED void dots_rows(int rows, int columns, int64_t depth,
                             const uint32_t *a, int64_t row_step,
                             int64_t depth_step, const uint32_t *b,
                             int64_t ldb, float *c, int64_t ldc, int add) {
  if (rows == ROWS && row_step == 1 && depth_step == ROWS) {
    row_step = 1, depth_step = ROWS; /* as constants, see gemm.h */
    DOTS_ROWS(ROWS);
    return;
  }
  while (rows) {
    int count = rows >= 8 ? 8 : rows >= 4 ? 4 : rows >= 2 ? 2 : 1;
    switch (count) {
      case 8: DOTS_ROWS(8); break;
      case 4: DOTS_ROWS(4); break;
      case 2: DOTS_ROWS(2); break;
      default: DOTS_ROWS(1);
    }
    a += count * row_step;
    c += count * ldc;
    rows -= count;
  }
}

/* Left side, in pairs: packed as in gemm.h, or with steps of its own. */
typedef struct {
  const uint32_t *data;
  int64_t row_step, depth_step, packed_depth;
} left_pairs;

/* c = a b, or c += a b; a from pair `first` on; `depth` in pairs. */
static DOTTED void multiply_dots(int64_t rows, int64_t vectors,
                                 int64_t depth, left_pairs a, int64_t first,
                                 const uint32_t *b, int64_t ldb, float *c,
                                 int64_t ldc, int add) {
  for (int64_t i = 0; i < rows; i += ROWS) {
    int count = (int)smaller(ROWS, rows - i);
    const uint32_t *panel;
    if (a.packed_depth) {
      panel = a.data + i * a.packed_depth + first * count;
      a.row_step = 1, a.depth_step = count;
    } else {
      panel = a.data + i * a.row_step + first * a.depth_step;
    }
    for (int64_t j = 0; j < vectors;) {
      int64_t left = vectors - j; /* 4 is 2 + 2 rather than 3 + 1 */
      int columns = (int)(left == 4 ? 2 : smaller(COLUMNS, left));
      dots_rows(count, columns, depth, panel, a.row_step, a.depth_step,
                b + j * LANES, ldb, c + i * ldc + j * LANES, ldc, add);
      j += columns;
    }
  }
}
#else
#define HAS_DOTS 0
static int cpu_has_dots(void) { return 0; }
#endif

/* Whether this CPU has products of pairs. */
int mmacda_has_dots(void) { return HAS_DOTS && cpu_has_dots(); }

static int dots_are_used = 1;

/* Turns them off or on, for comparisons; returns what was. */
int mmacda_use_dots(int on) {
  int before = dots_are_used;
  dots_are_used = on;
  return before;
}

static int uses_dots(const problem *p) {
  return p->storage == BFLOAT16 && dots_are_used && mmacda_has_dots();
}
#endif
