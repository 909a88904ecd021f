/* Backward: rounds of tiles, first by tile, then by input channel. */
#ifndef MMACDA_BACKWARD_H
#define MMACDA_BACKWARD_H
#include "dots_backward.h"

static void backward_pack_unit(void *argument, int64_t unit,
                               float *scratch) {
  call *k = argument;
  int64_t outputs = group_outputs(k->p), depth = group_depth(k->p);
  int64_t panels = (depth + ROWS - 1) / ROWS;
  int64_t offset = unit / panels * outputs * depth;
  left_side source = {k->weight + offset, 1, depth, 0};
  (void)scratch;
  pack_panel(depth, outputs, source, unit % panels * ROWS,
             k->packed + offset);
}

static void zero_unit(void *argument, int64_t unit, float *scratch) {
  call *k = argument;
  int64_t size = plane_size(k->p);
  (void)scratch;
  memset(k->dplanes + unit * size, 0, size * sizeof(float));
}

/* By tile: dZ, dD and dalpha. Leaves D, dZ and dy for the channels' turn. */
static void tile_unit(void *argument, int64_t unit, float *scratch) {
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
    make_coefficients(k, t.pixels, hidden, alpha);
    if (k->ht)
      transpose(hidden, generator_columns(p), t.pixels, pitch,
                k->ht + unit * k->tiling.pixels * hidden_pitch(p),
                hidden_pitch(p));
  } else if (k->d) {
    read_tile(p, &t, coefficients, k->alpha, p->alpha, alpha, pitch);
  }
  if (k->d)
    compose_atoms(p, alpha, pitch, spans, count,
                  k->d + unit * k->tiling.spans * atom_size(p));
  if (k->dy)
    transpose(dy, p->out_channels, t.pixels, pitch,
              k->dy + unit * k->tiling.pixels * dy_pitch(p), dy_pitch(p));
  if (!k->dz) return;
  int64_t outputs = group_outputs(p), depth = group_depth(p);
  float *dz = k->dz + unit * p->channels * p->atoms * pitch;
  for (int64_t g = 0; g < p->groups; g++) {
    left_side weight = {k->packed + g * outputs * depth, 1, 0, outputs};
    multiply(depth, vectors, outputs, weight, 0, dy + g * outputs * pitch,
             pitch, dz + g * depth * pitch, pitch, 0);
  }
  if (!(k->needs & GRAD_ALPHA)) return;
  if (k->dalpha_tiles) dalpha = k->dalpha_tiles + unit * coefficients * pitch;
  for (int s = 0; s < count; s++) {
    correlate_atoms(p, k->planes, dz, &spans[s], dd, pitch);
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

/* By input channel: dA and dx. */
static void channel_unit(void *argument, int64_t unit, float *z) {
  call *k = argument;
  const problem *p = k->p;
  int64_t pitch = k->tiling.pitch, atoms = p->atoms;
  int64_t blocks = (group_width(p) + k->block - 1) / k->block;
  int64_t group = unit / blocks, c = unit % blocks * k->block;
  int64_t channels = smaller(k->block, group_width(p) - c);
  c += group * group_width(p);
  for (int64_t n = k->first_tile; n < k->last_tile; n++) {
    int64_t slot = n - k->first_tile;
    tile t = get_tile(p, &k->tiling, n);
    span spans[MAX_SPANS];
    int count = make_spans(p, &t, spans);
    const float *d = k->d + slot * k->tiling.spans * atom_size(p);
    if (k->needs & GRAD_WEIGHT) {
      convolve_atoms(p, k->planes, c, channels, d, spans, count, z, pitch);
      multiply(channels * atoms, dweight_pitch(p) / LANES, t.pixels,
               (left_side){z, pitch, 1, 0}, 0,
               k->dy + slot * k->tiling.pixels * dy_pitch(p) +
                   group * group_outputs(p),
               dy_pitch(p), k->dpacked + c * atoms * dweight_pitch(p),
               dweight_pitch(p), n > 0);
    }
    if (k->needs & GRAD_INPUT)
      spread_input(p, k->dplanes, c, channels, d,
                   k->dz + (slot * p->channels + c) * atoms * pitch, spans,
                   count, pitch);
  }
}

static void crop_unit(void *argument, int64_t unit, float *scratch) {
  call *k = argument;
  (void)scratch;
  copy_planes(k->p, k->dx, k->p->x, k->dplanes, unit, 1);
}

static void dweight_unit(void *argument, int64_t unit, float *scratch) {
  call *k = argument;
  int64_t depth = group_depth(k->p), outputs = group_outputs(k->p);
  int64_t group = unit / ((outputs + 15) / 16);
  int64_t first = unit % ((outputs + 15) / 16) * 16;
  const float *source =
      k->dpacked + group * depth * dweight_pitch(k->p) + first;
  (void)scratch;
  transpose(source, depth, smaller(16, outputs - first),
            dweight_pitch(k->p),
            k->dweight + (group * outputs + first) * depth, depth);
}

/* Tiles of a round: about `wanted`, in rounds of one size that is the same
 * number of tiles for every thread. */
static int64_t even_round(int64_t tiles, int64_t threads, int64_t wanted) {
  wanted = smaller(larger(wanted, 2 * threads), tiles);
  int64_t rounds = (tiles + wanted - 1) / wanted;
  int64_t even = round_up((tiles + rounds - 1) / rounds, threads);
  return smaller(even, tiles);
}

static int64_t lay_out_backward(call *k, float *memory) {
  const problem *p = k->p;
  int64_t total = 0;
  int64_t planes = p->batch * p->channels * plane_size(p);
  int64_t depth = p->channels * p->atoms;
  int input = k->needs & GRAD_INPUT, alpha = k->needs & GRAD_ALPHA,
      weight = k->needs & GRAD_WEIGHT;
  k->tiling = make_tiling(p);
  int64_t span_size = atom_size(p);
#if HAS_DOTS
  k->dots = uses_dots(p);
  /* The same memory whether they are used or not. */
  if (p->storage == BFLOAT16) span_size = larger(span_size, kept_atom_size(p));
#endif
  int64_t d = input || weight ? k->tiling.spans * span_size : 0;
  int64_t dz = input || alpha ? depth * k->tiling.pitch : 0;
  int64_t dy = weight ? k->tiling.pixels * dy_pitch(p) : 0;
  int generator = k->needs & GRAD_GENERATOR;
  int64_t rows = generator_rows(p), columns = generator_columns(p);
  int64_t dalpha = generator ? rows * k->tiling.pitch : 0;
  int64_t ht = generator ? k->tiling.pixels * hidden_pitch(p) : 0;
  int64_t bytes = (d + dz + dy + dalpha + ht) * (int64_t)sizeof(float);
  k->round = even_round(k->tiling.tiles, k->team.threads,
                        ROUND_BYTES / larger(1, bytes));
  float *part = take(&memory, &total, alpha || weight ? planes : 0);
  k->planes = part;
  part = take(&memory, &total, input ? planes : 0);
  k->dplanes = part;
  part = take(&memory, &total, dz ? p->out_channels * group_depth(p) : 0);
  k->packed = part;
  part = take(&memory, &total,
              weight ? depth * dweight_pitch(p) : 0);
  k->dpacked = part;
  part = take(&memory, &total, k->round * d);
  k->d = d ? part : NULL;
  part = take(&memory, &total, k->round * dz);
  k->dz = dz ? part : NULL;
  part = take(&memory, &total, k->round * dy + LANES);
  k->dy = dy ? part : NULL;
  part = take(&memory, &total, p->hidden ? rows * columns : 0);
  k->packed_generator = part;
  part = take(&memory, &total, k->needs & GRAD_HIDDEN ? rows * columns : 0);
  k->turned_generator = k->needs & GRAD_HIDDEN ? part : NULL;
  part = take(&memory, &total, k->round * dalpha);
  k->dalpha_tiles = generator ? part : NULL;
  part = take(&memory, &total, k->round * ht + LANES);
  k->ht = generator ? part : NULL;
  k->team.scratch_size = larger(
      k->tiling.pitch *
              (p->out_channels + (p->hidden ? 2 * rows + columns : rows)) +
          atom_size(p),
      k->tiling.pitch * CHANNEL_BLOCK * p->atoms);
  k->team.scratch =
      take(&memory, &total, k->team.scratch_size * k->team.threads);
  return total;
}

int64_t mmacda_generator_pitch(const problem *p) { return hidden_pitch(p); }

int64_t mmacda_backward_floats(const problem *p, int needs, int threads) {
  call k = {.p = p, .needs = needs, .team = {.threads = threads}};
  return lay_out_backward(&k, NULL);
}

/* `alpha` and `dalpha` are those of the hidden maps with a generator, and
 * `dgenerator` has rows of mmacda_generator_pitch floats. */
void mmacda_backward(const problem *p, const float *dy, const float *x,
                     const float *alpha, const float *generator,
                     const float *hidden_norm, const float *weight,
                     float *dx, float *dalpha, float *dgenerator,
                     float *dweight, float *memory,
                     int needs, int threads, launcher launch) {
  call k = {.p = p, .x = x, .alpha = alpha, .weight = weight,
            .y = (float *)dy, .dx = dx, .dalpha = dalpha,
            .dweight = dweight, .needs = needs, .h = alpha,
            .generator = generator, .hidden_norm = hidden_norm, .dh = dalpha,
            .dgenerator = dgenerator};
  k.team = (team){.threads = threads, .launch = launch, .call = &k};
  lay_out_backward(&k, memory);
  int64_t panels = p->groups * ((group_depth(p) + ROWS - 1) / ROWS);
  if (needs & GRAD_INPUT)
    run_units(&k.team, p->batch * p->channels, zero_unit);
  work *by_tile = tile_unit, *by_channel = channel_unit, *pad = pad_unit;
  work *pack = backward_pack_unit;
#if HAS_DOTS
  if (k.dots) {
    by_tile = dots_tile_unit, by_channel = dots_channel_unit;
    pad = pad_pairs_unit, pack = dots_backward_pack_unit;
    if (p->hidden) pack_dotted_generator(&k);
    if (k.turned_generator)
      run_units(&k.team, (p->hidden + ROWS - 1) / ROWS, dots_turn_unit);
  }
#endif
  if (needs & (GRAD_ALPHA | GRAD_WEIGHT))
    run_units(&k.team, plane_units(p), pad);
  if (k.dz) run_units(&k.team, panels, pack);
  if (p->hidden && !k.dots) pack_generator(&k);
  /* Smaller blocks where there are too few to keep every thread busy. */
  k.block = CHANNEL_BLOCK;
  while (k.block > WIDTH && p->channels < 2 * threads * k.block)
    k.block /= 2;
  int64_t blocks = p->groups * ((group_width(p) + k.block - 1) / k.block);
  for (int64_t n = 0; n < k.tiling.tiles; n += k.round) {
    k.first_tile = n;
    k.last_tile = smaller(n + k.round, k.tiling.tiles);
    run_units(&k.team, k.last_tile - n, by_tile);
    if (needs & (GRAD_INPUT | GRAD_WEIGHT))
      run_units(&k.team, blocks, by_channel);
    if (needs & GRAD_GENERATOR)
      run_units(&k.team, (generator_rows(p) + ROWS - 1) / ROWS,
                generator_unit);
  }
  if (needs & GRAD_INPUT)
    run_units(&k.team, plane_units(p), crop_unit);
  if (needs & GRAD_WEIGHT)
    run_units(&k.team, p->groups * ((group_outputs(p) + 15) / 16),
              dweight_unit);
}
#endif
