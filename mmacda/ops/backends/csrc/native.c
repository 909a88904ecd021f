/* Forward and backward of the adaptive convolution for float32 on a CPU.
 *
 * Vectors run over neighbouring output pixels. Per tile of pixels the atoms
 * are composed, then CHANNEL_BLOCK input channels at a time pass the atom
 * convolution and at once the coefficient convolution, so that Z never leaves
 * the first cache. Backward recomputes; it takes the tiles in rounds, first
 * by tile (dZ, dD, dalpha), then by input channel (dA, dx), which leaves every
 * sum to one thread and in a fixed order.
 */
#include "atoms.h"
#include "gemm.h"
#include "planes.h"
#include "team.h"

enum { GRAD_INPUT = 1, GRAD_ALPHA = 2, GRAD_WEIGHT = 4 };
enum { ROUND_BYTES = 4 << 20, PACK_PIXELS = 256 };

typedef struct {
  const problem *p;
  tiling tiling;
  team team;
  const float *x, *alpha, *weight;
  float *y; /* or its gradient */
  float *planes, *packed;
  int needs;
  float *dx, *dalpha, *dweight;
  float *dplanes, *dpacked, *d, *dz, *dy;
  int64_t round, first_tile, last_tile, block;
} call;

static inline int64_t group_width(const problem *p) {
  return p->channels / p->groups;
}
static inline int64_t group_depth(const problem *p) {
  return p->channels / p->groups * p->atoms;
}
static inline int64_t group_outputs(const problem *p) {
  return p->out_channels / p->groups;
}
/* Row lengths of dy, [pixel][output], and of dweight, [channel][output]. */
static inline int64_t dy_pitch(const problem *p) {
  return round_up(p->out_channels + LANES, LANES);
}
static inline int64_t dweight_pitch(const problem *p) {
  return round_up(group_outputs(p), LANES);
}

/* Hands out consecutive parts of one buffer; null counts only. */
static float *take(float **memory, int64_t *total, int64_t floats) {
  float *part = *memory;
  floats = round_up(larger(floats, 0), LANES);
  if (part) *memory += floats;
  *total += floats;
  return part;
}

static void pad_unit(void *argument, int64_t unit, float *scratch) {
  call *k = argument;
  (void)scratch;
  copy_planes(k->p, (float *)k->x, k->p->x, k->planes, unit, 1);
}

/* ---- forward ---------------------------------------------------------- */

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
  read_tile(p, &t, p->atoms * p->coefficients, k->alpha, p->alpha, alpha,
            pitch);
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
  k->team.scratch_size =
      k->tiling.spans * atom_size(p) +
      k->tiling.pitch *
          (p->out_channels +
           larger(CHANNEL_BLOCK, p->coefficients) * p->atoms);
  k->team.scratch =
      take(&memory, &total, k->team.scratch_size * k->team.threads);
  return total;
}

int64_t mmacda_forward_floats(const problem *p, int threads) {
  call k = {.p = p, .team = {.threads = threads}};
  return lay_out_forward(&k, NULL);
}

void mmacda_forward(const problem *p, const float *x, const float *alpha,
                    const float *weight, float *y, float *memory,
                    int threads, launcher launch) {
  call k = {.p = p, .x = x, .alpha = alpha, .weight = weight, .y = y};
  k.team = (team){.threads = threads, .launch = launch, .call = &k};
  lay_out_forward(&k, memory);
  run_units(&k.team, plane_units(p), pad_unit);
  if (k.packed)
    run_units(&k.team,
              p->groups * ((group_outputs(p) + ROWS - 1) / ROWS),
              forward_pack_unit);
  run_units(&k.team, k.tiling.tiles, forward_unit);
}

/* ---- backward --------------------------------------------------------- */

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

static void transpose(const float *block, int64_t rows, int64_t columns,
                      int64_t pitch, float *target, int64_t target_pitch) {
  for (int64_t i0 = 0; i0 < rows; i0 += 16)
    for (int64_t j = 0; j < columns; j++)
      for (int64_t i = i0; i < smaller(rows, i0 + 16); i++)
        target[j * target_pitch + i] = block[i * pitch + j];
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
  float *dd = alpha + coefficients * pitch;
  span spans[MAX_SPANS];
  int count = make_spans(p, &t, spans);
  read_tile(p, &t, p->out_channels, k->y, p->y, dy, pitch);
  if (k->d) {
    read_tile(p, &t, coefficients, k->alpha, p->alpha, alpha, pitch);
    compose_atoms(p, alpha, pitch, spans, count,
                  k->d + unit * k->tiling.spans * atom_size(p));
  }
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
  for (int s = 0; s < count; s++) {
    correlate_atoms(p, k->planes, dz, &spans[s], dd, pitch);
    decompose_atoms(p, dd, alpha + spans[s].pixel, pitch);
  }
  write_tile(p, &t, coefficients, k->dalpha, p->alpha, alpha, pitch);
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
  copy_planes(k->p, k->dx, k->p->x, k->dplanes, unit, 0);
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

static int64_t lay_out_backward(call *k, float *memory) {
  const problem *p = k->p;
  int64_t total = 0;
  int64_t planes = p->batch * p->channels * plane_size(p);
  int64_t depth = p->channels * p->atoms;
  int input = k->needs & GRAD_INPUT, alpha = k->needs & GRAD_ALPHA,
      weight = k->needs & GRAD_WEIGHT;
  k->tiling = make_tiling(p);
  int64_t d = input || weight ? k->tiling.spans * atom_size(p) : 0;
  int64_t dz = input || alpha ? depth * k->tiling.pitch : 0;
  int64_t dy = weight ? k->tiling.pixels * dy_pitch(p) : 0;
  int64_t bytes = (d + dz + dy) * (int64_t)sizeof(float);
  k->round = larger(2 * k->team.threads, ROUND_BYTES / larger(1, bytes));
  k->round = smaller(k->round, k->tiling.tiles);
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
  k->team.scratch_size = larger(
      k->tiling.pitch * (p->out_channels + p->atoms * p->coefficients) +
          atom_size(p),
      k->tiling.pitch * CHANNEL_BLOCK * p->atoms);
  k->team.scratch =
      take(&memory, &total, k->team.scratch_size * k->team.threads);
  return total;
}

int64_t mmacda_backward_floats(const problem *p, int needs, int threads) {
  call k = {.p = p, .needs = needs, .team = {.threads = threads}};
  return lay_out_backward(&k, NULL);
}

void mmacda_backward(const problem *p, const float *dy, const float *x,
                     const float *alpha, const float *weight, float *dx,
                     float *dalpha, float *dweight, float *memory,
                     int needs, int threads, launcher launch) {
  call k = {.p = p, .x = x, .alpha = alpha, .weight = weight,
            .y = (float *)dy, .dx = dx, .dalpha = dalpha,
            .dweight = dweight, .needs = needs};
  k.team = (team){.threads = threads, .launch = launch, .call = &k};
  lay_out_backward(&k, memory);
  if (needs & (GRAD_ALPHA | GRAD_WEIGHT))
    run_units(&k.team, plane_units(p), pad_unit);
  if (needs & GRAD_INPUT)
    run_units(&k.team, p->batch * p->channels, zero_unit);
  if (k.dz)
    run_units(&k.team, p->groups * ((group_depth(p) + ROWS - 1) / ROWS),
              backward_pack_unit);
  /* Smaller blocks where there are too few to keep every thread busy. */
  k.block = CHANNEL_BLOCK;
  while (k.block > WIDTH && p->channels < 2 * threads * k.block)
    k.block /= 2;
  int64_t blocks = p->groups * ((group_width(p) + k.block - 1) / k.block);
  for (int64_t n = 0; n < k.tiling.tiles; n += k.round) {
    k.first_tile = n;
    k.last_tile = smaller(n + k.round, k.tiling.tiles);
    run_units(&k.team, k.last_tile - n, tile_unit);
    if (needs & (GRAD_INPUT | GRAD_WEIGHT))
      run_units(&k.team, blocks, channel_unit);
  }
  if (needs & GRAD_INPUT)
    run_units(&k.team, plane_units(p), crop_unit);
  if (needs & GRAD_WEIGHT)
    run_units(&k.team, p->groups * ((group_outputs(p) + 15) / 16),
              dweight_unit);
}
