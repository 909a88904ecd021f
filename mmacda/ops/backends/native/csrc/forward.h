/* Forward: tiles of pixels, each through both convolutions at once. */
#ifndef MMACDA_FORWARD_H
#define MMACDA_FORWARD_H
#include "dots_forward.h"
#include "generator.h"

static left_side forward_weight(const call *k, int64_t group) {
  int64_t depth = group_depth(k->p);
  int64_t offset = group * group_outputs(k->p) * depth;
  if (k->packed) return (left_side){k->packed + offset, 1, 0, depth};
  return (left_side){k->weight + offset, depth, 1, 0};
}

static void forward_pack_unit(void *argument, int64_t unit, float *scratch) {
  call *k = argument;
  int64_t outputs = group_outputs(k->p), depth = group_depth(k->p);
  int64_t panels = (outputs + ROWS - 1) / ROWS;
  int64_t offset = unit / panels * outputs * depth;
  left_side source = {k->weight + offset, depth, 1, 0};
  (void)scratch;
  pack_panel(outputs, depth, source, unit % panels * ROWS,
             k->packed + offset);
}

static void forward_unit(void *argument, int64_t unit, float *scratch) {
  call *k = argument;
  const problem *p = k->p;
  int64_t pitch = k->tiling.pitch;
  tile t = get_tile(p, &k->tiling, unit);
  span spans[MAX_SPANS];
  int count = make_spans(p, &t, spans);
  int64_t vectors = (t.pixels + LANES - 1) / LANES;
  float *d = scratch;
  float *y = d + k->tiling.spans * atom_size(p);
  float *z = y + p->out_channels * pitch;
  float *alpha = z; /* before z is needed */
  if (p->hidden) {
    float *hidden =
        z + pitch * p->atoms * larger(CHANNEL_BLOCK, p->coefficients);
    read_hidden(k, &t, hidden, hidden + generator_columns(p) * pitch);
    make_coefficients(k, t.pixels, hidden, alpha);
  } else {
    read_tile(p, &t, p->atoms * p->coefficients, k->alpha, p->alpha, alpha,
              pitch);
  }
  compose_atoms(p, alpha, pitch, spans, count, d);
  for (int64_t g = 0; g < p->groups; g++) {
    left_side weight = forward_weight(k, g);
    for (int64_t c = 0; c < group_width(p); c += CHANNEL_BLOCK) {
      int64_t channels = smaller(CHANNEL_BLOCK, group_width(p) - c);
      convolve_atoms(p, k->planes, g * group_width(p) + c, channels, d,
                     spans, count, z, pitch);
      multiply(group_outputs(p), vectors, channels * p->atoms, weight,
               c * p->atoms, z, pitch, y + g * group_outputs(p) * pitch,
               pitch, c > 0);
    }
  }
  for (int64_t n = 0; k->bias && n < p->out_channels; n++)
    for (int64_t i = 0; i < vectors; i++) {
      float *at = y + n * pitch + i * LANES;
      store(at, load(at) + k->bias[n]);
    }
  write_tile(p, &t, p->out_channels, k->y, p->y, y, pitch);
}

static int64_t lay_out_forward(call *k, float *memory) {
  const problem *p = k->p;
  int64_t total = 0;
  k->tiling = make_tiling(p);
  k->planes = take(&memory, &total,
                   p->batch * p->channels * plane_size(p));
  int packs = p->batch * p->out_height * p->out_width >= PACK_PIXELS;
  float *packed = take(&memory, &total,
                       packs ? p->out_channels * group_depth(p) : 0);
  k->packed = packs ? packed : NULL;
  k->dots = packs && uses_dots(p);
  k->packed_generator =
      take(&memory, &total,
           p->hidden ? generator_rows(p) * generator_columns(p) : 0);
  k->packed_first = take(&memory, &total,
                         p->maps > 0 ? p->hidden * (p->maps + 1) : 0);
  k->team.scratch_size =
      (k->tiling.spans + (p->storage == BFLOAT16)) * atom_size(p) +
      k->tiling.pitch *
          (p->out_channels +
           larger(CHANNEL_BLOCK, p->coefficients) * p->atoms +
           (p->hidden ? generator_columns(p) + p->maps + 1 : 0));
  k->team.scratch =
      take(&memory, &total, k->team.scratch_size * k->team.threads);
  return total;
}

int64_t mmacda_forward_floats(const problem *p, int threads) {
  call k = {.p = p, .team = {.threads = threads}};
  return lay_out_forward(&k, NULL);
}

/* `alpha`, or with a generator its maps. */
void mmacda_forward(const problem *p, const float *x, const float *alpha,
                    const float *first, const float *generator,
                    const float *hidden_norm, const float *weight,
                    const float *bias, float *y, float *memory, int threads,
                    launcher launch) {
  call k = {.p = p, .x = x, .alpha = alpha, .weight = weight, .y = y,
            .h = alpha, .first = first, .generator = generator,
            .hidden_norm = hidden_norm, .bias = bias};
  k.team = (team){.threads = threads, .launch = launch, .call = &k};
  lay_out_forward(&k, memory);
#if HAS_DOTS
  if (k.dots) {
    run_units(&k.team, plane_units(p), pad_pairs_unit);
    pack_dots(&k);
    run_units(&k.team, k.tiling.tiles, dots_forward_unit);
    return;
  }
#endif
  run_units(&k.team, plane_units(p), pad_unit);
  if (p->hidden) pack_generator(&k);
  if (k.packed)
    run_units(&k.team,
              p->groups * ((group_outputs(p) + ROWS - 1) / ROWS),
              forward_pack_unit);
  run_units(&k.team, k.tiling.tiles, forward_unit);
}
#endif
