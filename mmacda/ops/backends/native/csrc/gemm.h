/* Matrix products whose right side and result are rows of vectors. */
#ifndef MMACDA_GEMM_H
#define MMACDA_GEMM_H
#include "lanes.h"

/* Left side: element (row, depth) is at row * row_step + depth * depth_step;
 * or packed in panels of ROWS rows (the last may have fewer), each with its
 * rows side by side at every depth. */
typedef struct {
  const float *data;
  int64_t row_step, depth_step;
  int64_t packed_depth; /* full depth of the panels; 0: not packed */
} left_side;

INLINE void multiply_block(int rows, int columns, int64_t depth,
                           const float *a, int64_t row_step,
                           int64_t depth_step, const float *b, int64_t ldb,
                           float *c, int64_t ldc, int add) {
  vec sum[ROWS][COLUMNS];
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int j = 0; j < columns; j++) sum[i][j] = (vec){0};
  for (int64_t k = 0; k < depth; k++) {
    vec right[COLUMNS];
    UNROLL for (int j = 0; j < columns; j++)
      right[j] = load(b + k * ldb + j * LANES);
    UNROLL for (int i = 0; i < rows; i++) {
      float left = a[i * row_step + k * depth_step];
      UNROLL for (int j = 0; j < columns; j++) sum[i][j] += left * right[j];
    }
  }
  UNROLL for (int i = 0; i < rows; i++)
    UNROLL for (int j = 0; j < columns; j++) {
      float *target = c + i * ldc + j * LANES;
      store(target, add ? load(target) + sum[i][j] : sum[i][j]);
    }
}

#define MULTIPLY(R, N) \
  multiply_block(R, N, depth, a, row_step, depth_step, b, ldb, c, ldc, add)
#define MULTIPLY_ROWS(R) \
  switch (columns) { \
    case 3: MULTIPLY(R, AT_MOST(COLUMNS, 3)); break; \
    case 2: MULTIPLY(R, 2); break; \
    default: MULTIPLY(R, 1); \
  }

static void multiply_rows(int rows, int columns, int64_t depth,
                          const float *a, int64_t row_step,
                          int64_t depth_step, const float *b, int64_t ldb,
                          float *c, int64_t ldc, int add) {
  if (rows == ROWS) {
    if (row_step == 1 && depth_step == ROWS) { /* packed */
      /* The values they have: as constants, they save the compiler all
       * multiplications of indices in this copy of the loops. */
      row_step = 1, depth_step = ROWS;
      MULTIPLY_ROWS(ROWS);
    } else {
      MULTIPLY_ROWS(ROWS);
    }
    return;
  }
  while (rows) {
    int count = rows >= 4 ? 4 : rows >= 2 ? 2 : 1;
    switch (count) {
      case 4: MULTIPLY_ROWS(4); break;
      case 2: MULTIPLY_ROWS(2); break;
      default: MULTIPLY_ROWS(1);
    }
    a += count * row_step;
    c += count * ldc;
    rows -= count;
  }
}

/* c = a b, or c += a b; a from depth `first` on; `vectors` vectors wide. A
 * block of columns of b stays in the first cache while all of a passes. */
static void multiply(int64_t rows, int64_t vectors, int64_t depth,
                     left_side a, int64_t first, const float *b, int64_t ldb,
                     float *c, int64_t ldc, int add) {
  for (int64_t j = 0; j < vectors;) {
    int64_t left = vectors - j; /* 4 is 2 + 2 rather than 3 + 1 */
    int columns = (int)(left == 4 ? 2 : smaller(COLUMNS, left));
    for (int64_t i = 0; i < rows; i += ROWS) {
      int count = (int)smaller(ROWS, rows - i);
      const float *panel;
      if (a.packed_depth) {
        panel = a.data + i * a.packed_depth + first * count;
        a.row_step = 1, a.depth_step = count;
      } else {
        panel = a.data + i * a.row_step + first * a.depth_step;
      }
      multiply_rows(count, columns, depth, panel, a.row_step, a.depth_step,
                    b + j * LANES, ldb, c + i * ldc + j * LANES, ldc, add);
    }
    j += columns;
  }
}

/* Packs one panel: rows `row` ... `row + ROWS - 1` of a. */
static void pack_panel(int64_t rows, int64_t depth, left_side a, int64_t row,
                       float *packed) {
  int64_t count = smaller(ROWS, rows - row);
  const float *source = a.data + row * a.row_step;
  float *target = packed + row * depth;
  for (int64_t k = 0; k < depth; k++)
    for (int64_t i = 0; i < count; i++)
      target[k * count + i] = source[i * a.row_step + k * a.depth_step];
}
#endif
