/* The zero-padded input, its rows and columns split by phase; and back. */
#ifndef MMACDA_PLANES_H
#define MMACDA_PLANES_H
#include "problem.h"

/* Input position of the plane's first row or column, and the range of plane
 * positions that lie inside the input. */
typedef struct {
  int64_t start, first, end;
} extent;

static extent get_extent(int64_t remainder, int64_t pad, int64_t stride,
                         int64_t size, int64_t plane) {
  extent e;
  e.start = remainder - pad;
  e.first = e.start >= 0 ? 0 : (-e.start + stride - 1) / stride;
  e.end = e.start >= size ? 0 : (size - 1 - e.start) / stride + 1;
  e.end = smaller(e.end, plane);
  e.first = smaller(e.first, e.end);
  return e;
}

/* Up to 16 channels at a time, for inputs whose channels are neighbours. */
INLINE void copy_row(float *const *planes, int64_t at, void *x,
                     int64_t start, int64_t channel_step,
                     int64_t column_step, int64_t channels, int64_t length,
                     int storage, int outwards) {
  if (column_step == 1) {
    for (int64_t c = 0; c < channels; c++)
      copy_elements(planes[c] + at,
                    element(x, start + c * channel_step, storage), length,
                    storage, outwards);
    return;
  }
  for (int64_t i = 0; i < length; i++)
    for (int64_t c = 0; c < channels; c++)
      copy_element(planes[c] + at + i,
                   element(x, start + i * column_step + c * channel_step,
                           storage),
                   storage, outwards);
}

/* Copies CHANNEL_BLOCK channels of an image between the input and planes. */
INLINE void copy_block(const problem *p, void *x, strides s, float *planes,
                       int64_t unit, int storage, int outwards) {
  int64_t blocks = (p->channels + CHANNEL_BLOCK - 1) / CHANNEL_BLOCK;
  int64_t image = unit / blocks, channel = unit % blocks * CHANNEL_BLOCK;
  int64_t channels = smaller(CHANNEL_BLOCK, p->channels - channel);
  int64_t size = plane_size(p);
  float *plane[CHANNEL_BLOCK];
  int64_t base = image * s.image + channel * s.channel;
  for (int64_t c = 0; c < channels; c++) {
    plane[c] = planes + (image * p->channels + channel + c) * size;
    if (!outwards) memset(plane[c], 0, size * sizeof(float));
  }
  for (int64_t phase = 0; phase < p->phases; phase++) {
    extent rows = get_extent(p->phase_rows[phase], p->pad_h, p->stride_h,
                             p->height, p->plane_rows);
    extent columns = get_extent(p->phase_columns[phase], p->pad_w,
                                p->stride_w, p->width, p->plane_columns);
    for (int64_t i = rows.first; i < rows.end; i++)
      copy_row(
          plane,
          (phase * p->plane_rows + i) * p->plane_columns + columns.first, x,
          base + (rows.start + i * p->stride_h) * s.row +
              (columns.start + columns.first * p->stride_w) * s.column,
          s.channel, p->stride_w * s.column, channels,
          columns.end - columns.first, storage, outwards);
  }
}

INLINE void copy_planes(const problem *p, void *x, strides s, float *planes,
                        int64_t unit, int outwards) {
  PICK_STORAGE(copy_block, p->storage, outwards, p, x, s, planes, unit);
}

static inline int64_t plane_units(const problem *p) {
  return p->batch * ((p->channels + CHANNEL_BLOCK - 1) / CHANNEL_BLOCK);
}
#endif
