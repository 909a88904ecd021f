/* One call: its sizes and strides, its tiles of pixels, and its threads. */
#ifndef MMACDA_PROBLEM_H
#define MMACDA_PROBLEM_H
#include "half.h"

enum { MAX_TILE = 128, MAX_SPANS = 32, CHANNEL_BLOCK = 16 };

/* Strides of a (B, channels, height, width) tensor, in elements. */
typedef struct {
  int64_t image, channel, row, column;
} strides;

/* Mirrored by _Problem in plan.py. Input rows and columns are split by
 * their remainder modulo the stride (a phase), so that neighbouring output
 * pixels read neighbouring floats. */
typedef struct {
  int64_t batch, channels, height, width;
  int64_t out_channels, out_height, out_width;
  int64_t atoms, coefficients, taps, groups;
  int64_t stride_h, stride_w, pad_h, pad_w;
  /* Of the generator; hidden 0: alpha is given. Its maps have `maps` channels:
   * the hidden ones, or where its first layer is pointwise the input's. */
  int64_t hidden, maps, activation;
  int64_t storage; /* of maps in memory, see half.h */
  int64_t phases, plane_rows, plane_columns; /* planes: phases of these */
  int64_t tap_pairs, pair_step;              /* see dots_forward.h */
  strides x, alpha, y, h;                    /* alpha's channel: m * J */
  const int32_t *phase_rows, *phase_columns; /* [phases], remainders */
  const int32_t *tap_offsets;                /* [taps], inside a channel */
  const int32_t *pair_first, *pair_second; /* [tap_pairs], taps; -1: none */
  /* Non-zero basis values, by tap and by coefficient. */
  const int32_t *by_tap_start, *by_tap_index;
  const int32_t *by_coefficient_start, *by_coefficient_index;
  const float *by_tap_value, *by_coefficient_value;
} problem;

static inline int64_t plane_size(const problem *p) {
  /* The last vector of a channel ends inside its own plane. */
  return round_up(p->phases * p->plane_rows * p->plane_columns + 2 * LANES,
                  LANES);
}

/* A tile is whole output rows, over image borders, or part of one row. */
typedef struct {
  int64_t rows_per_tile, columns_per_tile, tiles_per_row, tiles;
  int64_t pixels; /* at most, in one tile */
  int64_t spans;  /* likewise */
  int64_t pitch;  /* floats between two channels of a tile */
} tiling;

typedef struct {
  int64_t row, rows, column, columns; /* rows count over all images */
  int64_t pixels;
} tile;

static inline int64_t row_spans(int64_t columns) {
  return (columns + LANES - 1) / LANES;
}

static tiling make_tiling(const problem *p) {
  int64_t rows = p->batch * p->out_height, width = p->out_width;
  int64_t target = larger(32, smaller(MAX_TILE, rows * width / 16));
  tiling s = {1, width, 1, 0, 0, 0, 0};
  if (width > target) {
    s.tiles_per_row = (width + target - 1) / target;
    s.columns_per_tile =
        round_up((width + s.tiles_per_row - 1) / s.tiles_per_row, LANES);
    s.tiles_per_row = (width + s.columns_per_tile - 1) / s.columns_per_tile;
  } else { /* the number of rows that fills its vectors best */
    double best = 0;
    int64_t most = smaller(target / width, MAX_SPANS / row_spans(width));
    for (int64_t n = 1; n <= smaller(rows, most); n++) {
      double filled = (double)(n * width) / round_up(n * width, LANES);
      if (filled >= best) best = filled, s.rows_per_tile = n;
    }
  }
  s.tiles = (rows + s.rows_per_tile - 1) / s.rows_per_tile * s.tiles_per_row;
  s.pixels = s.rows_per_tile * s.columns_per_tile;
  s.spans = s.rows_per_tile * row_spans(s.columns_per_tile);
  /* An odd number of vectors spreads the channels over the cache sets; one
   * vector of slack lets the last row's vector run over. */
  s.pitch = (s.pixels + LANES - 1) / LANES + 1;
  s.pitch = (s.pitch | 1) * LANES;
  return s;
}

static tile get_tile(const problem *p, const tiling *s, int64_t index) {
  tile t;
  t.row = index / s->tiles_per_row * s->rows_per_tile;
  t.column = index % s->tiles_per_row * s->columns_per_tile;
  t.rows = smaller(s->rows_per_tile, p->batch * p->out_height - t.row);
  t.columns = smaller(s->columns_per_tile, p->out_width - t.column);
  t.pixels = t.rows * t.columns;
  return t;
}

/* Up to LANES neighbouring pixels of one row of a tile. */
typedef struct {
  int64_t plane;  /* of the image's first channel */
  int64_t base;   /* position inside a channel */
  int32_t pixel;  /* position inside the tile */
  int32_t length; /* pixels that count; the other lanes are junk */
} span;

static int make_spans(const problem *p, const tile *t, span *spans) {
  int count = 0;
  for (int64_t r = 0; r < t->rows; r++) {
    int64_t image = (t->row + r) / p->out_height;
    int64_t row = (t->row + r) % p->out_height;
    for (int64_t j = 0; j < t->columns; j += LANES) {
      spans[count++] = (span){
          image * p->channels, row * p->plane_columns + t->column + j,
          (int32_t)(r * t->columns + j),
          (int32_t)smaller(LANES, t->columns - j)};
    }
  }
  return count;
}

/* Copies a tile between a tensor and channels of neighbouring pixels. */
INLINE void copy_tile(const problem *p, const tile *t, int64_t channels,
                      void *tensor, strides s, float *block, int64_t pitch,
                      int storage, int to_tensor) {
  int joined = t->columns == p->out_width && s.row == s.column * t->columns;
  for (int64_t r = 0; r < t->rows;) {
    int64_t image = (t->row + r) / p->out_height;
    int64_t row = (t->row + r) % p->out_height;
    int64_t rows = joined ? smaller(p->out_height - row, t->rows - r) : 1;
    int64_t length = rows * t->columns;
    int64_t base = image * s.image + row * s.row + t->column * s.column;
    float *pixels = block + r * t->columns;
    if (s.column == 1) {
      for (int64_t c = 0; c < channels; c++)
        copy_elements(pixels + c * pitch,
                      element(tensor, base + c * s.channel, storage), length,
                      storage, to_tensor);
    } else {
      for (int64_t c0 = 0; c0 < channels; c0 += 16)
        for (int64_t i = 0; i < length; i++)
          for (int64_t c = c0; c < smaller(channels, c0 + 16); c++)
            copy_element(
                pixels + c * pitch + i,
                element(tensor, base + c * s.channel + i * s.column, storage),
                storage, to_tensor);
    }
    r += rows;
  }
}

/* Calls COPY(..., storage, direction) with the storage as a constant. */
#define PICK_STORAGE(COPY, storage, direction, ...) \
  switch (storage) { \
    case BFLOAT16: COPY(__VA_ARGS__, BFLOAT16, direction); break; \
    case FLOAT16: COPY(__VA_ARGS__, FLOAT16, direction); break; \
    default: COPY(__VA_ARGS__, FLOAT32, direction); \
  }

static void read_tile(const problem *p, const tile *t, int64_t channels,
                      const void *tensor, strides s, float *block,
                      int64_t pitch) {
  PICK_STORAGE(copy_tile, p->storage, 0, p, t, channels, (void *)tensor, s,
               block, pitch);
  for (int64_t c = 0; c < channels; c++) /* defined values in the slack */
    memset(block + c * pitch + t->pixels, 0,
           (pitch - t->pixels) * sizeof(float));
}

static void write_tile(const problem *p, const tile *t, int64_t channels,
                       void *tensor, strides s, float *block,
                       int64_t pitch) {
  PICK_STORAGE(copy_tile, p->storage, 1, p, t, channels, tensor, s, block,
               pitch);
}
#endif
