'use strict';
/* The mathematics of one layer, on its stored coefficients. */

function decode(text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes.buffer;
}

class Layer {
  constructor(data, imageSize) {
    Object.assign(this, data);
    this.imageSize = imageSize;
    this.rows = data.stored.rows;
    this.columns = data.stored.columns;
    this.step = data.stored.step;
    this.count = data.scales.length;               // J
    this.length = this.atoms * this.count;         // m J
    this.taps = this.support * this.support;
    const bytes = decode(data.stored.data);
    this.integers = data.stored.bits === 16 ?
      new Int16Array(bytes) : new Int8Array(bytes);
    this.bases = new Float32Array(decode(data.bases));
    this.composition = new Float32Array(decode(data.composition));
    this.scaleList = [...new Set(data.scales)].sort((a, b) => a - b);
    data.stored.data = null;
  }

  /* Coefficients (m J) of a stored pixel. */
  alphaAt(row, column) {
    const start = (row * this.columns + column) * this.length;
    return Float64Array.from(
      this.integers.subarray(start, start + this.length),
      (value) => value * this.stored.unit);
  }

  /* D = alpha psi: m arrays of k k. */
  atomsAt(row, column) {
    const alpha = this.alphaAt(row, column), atoms = [];
    for (let m = 0; m < this.atoms; m++) {
      const atom = new Float64Array(this.taps);
      for (let j = 0; j < this.count; j++) {
        const weight = alpha[m * this.count + j];
        for (let t = 0; t < this.taps; t++)
          atom[t] += weight * this.bases[j * this.taps + t];
      }
      atoms.push(atom);
    }
    return atoms;
  }

  /* W = A D of one pair of stored channels. */
  filter(atoms, out, input) {
    const start = (out * this.ins.length + input) * this.atoms;
    const result = new Float64Array(this.taps);
    atoms.forEach((atom, m) => {
      const weight = this.composition[start + m];
      for (let t = 0; t < this.taps; t++) result[t] += weight * atom[t];
    });
    return result;
  }

  /* Energy of the filters of all channels, those not stored included. */
  tapEnergy(atoms) {
    const energy = new Float64Array(this.taps);
    for (let a = 0; a < this.atoms; a++)
      for (let b = 0; b < this.atoms; b++) {
        const weight = this.atomMetric[a * this.atoms + b];
        for (let t = 0; t < this.taps; t++)
          energy[t] += weight * atoms[a][t] * atoms[b][t];
      }
    return energy.map((value) => Math.max(value, 0));
  }

  /* Share of the coefficients' energy at each scale. */
  weightsAt(row, column) {
    const alpha = this.alphaAt(row, column);
    const sums = this.scaleList.map(() => 0);
    alpha.forEach((value, i) => {
      sums[this.scaleList.indexOf(this.scales[i % this.count])] +=
        value * value;
    });
    const total = sums.reduce((a, b) => a + b, 0);
    return sums.map((value) => total > 0 ? value / total : 0);
  }

  /* One energy map per scale over all stored pixels. */
  energyMaps() {
    if (this.maps) return this.maps;
    const pixels = this.rows * this.columns, unit = this.stored.unit;
    const index = this.scales.map((s) => this.scaleList.indexOf(s));
    const maps = this.scaleList.map(() => new Float32Array(pixels));
    for (let p = 0, i = 0; p < pixels; p++)
      for (let m = 0; m < this.atoms; m++)
        for (let j = 0; j < this.count; j++, i++) {
          const value = this.integers[i] * unit;
          maps[index[j]][p] += value * value;
        }
    this.maps = maps;
    this.maximum = maps.reduce(
      (top, map) => map.reduce((a, b) => Math.max(a, b), top), 1e-30);
    const sums = maps.map((map) => map.reduce((a, b) => a + b, 0));
    const total = sums.reduce((a, b) => a + b, 0) || 1;
    this.shares = sums.map((value) => value / total);
    return maps;
  }

  /* The coefficients turned so that a product is one of filters. */
  dual(alpha) {
    const half = new Float64Array(this.length);
    const dual = new Float64Array(this.length);
    const m = this.atoms, n = this.count;
    for (let a = 0; a < m; a++)
      for (let j = 0; j < n; j++)
        for (let l = 0; l < n; l++)
          half[a * n + l] += alpha[a * n + j] * this.baseMetric[j * n + l];
    for (let a = 0; a < m; a++)
      for (let b = 0; b < m; b++)
        for (let l = 0; l < n; l++)
          dual[b * n + l] += this.atomMetric[a * m + b] * half[a * n + l];
    return dual;
  }

  filterNorms() {
    if (this.norms) return this.norms;
    const norms = new Float64Array(this.rows * this.columns);
    for (let p = 0; p < norms.length; p++) {
      const alpha = this.alphaAt(0, p), dual = this.dual(alpha);
      let sum = 0;
      for (let i = 0; i < this.length; i++) sum += alpha[i] * dual[i];
      norms[p] = Math.sqrt(Math.max(sum, 0));
    }
    return (this.norms = norms);
  }

  /* Pixels with the most similar filters; neighbours stand for each other. */
  similar(row, column, number, radius) {
    const norms = this.filterNorms(), pixels = norms.length;
    const dual = this.dual(this.alphaAt(row, column));
    const own = norms[row * this.columns + column];
    const cosine = new Float64Array(pixels);
    for (let p = 0, i = 0; p < pixels; p++) {
      let sum = 0;
      for (let c = 0; c < this.length; c++, i++)
        sum += dual[c] * this.integers[i];
      const scale = norms[p] * own;
      cosine[p] = scale > 0 ?
        Math.min(1, Math.max(-1, sum * this.stored.unit / scale)) : 0;
    }
    const found = [];
    let taken = [row, column];
    while (found.length < number) {
      const reach = Math.floor(radius / this.step);
      for (let r = Math.max(0, taken[0] - reach);
        r <= Math.min(this.rows - 1, taken[0] + reach); r++)
        for (let c = Math.max(0, taken[1] - reach);
          c <= Math.min(this.columns - 1, taken[1] + reach); c++)
          cosine[r * this.columns + c] = -2;
      let best = 0;
      for (let p = 1; p < pixels; p++) if (cosine[p] > cosine[best]) best = p;
      if (cosine[best] < -1) break;
      taken = [Math.floor(best / this.columns), best % this.columns];
      found.push({row: taken[0], column: taken[1], cosine: cosine[best]});
    }
    return found;
  }

  /* Row or column of the layer's input that a tap of a stored pixel sees. */
  tapPosition(axis, position, tap) {
    const d = this.dilation[axis], half = Math.floor(this.support / 2);
    const offset = d * Math.floor(this.kernel / 2) - this.padding[axis];
    return position * this.step * this.stride[axis] + offset +
      d * (tap - half);
  }

  /* Edge of a row or column of the layer's input, in image pixels. */
  imageEdge(axis, position) {
    return position * this.imageSize[axis] / this.inputSize[axis];
  }

  /* Centre of a stored pixel in image pixels, edges being integers. */
  centre(row, column) {
    return [row, column].map((position, axis) => this.imageEdge(
      axis, this.tapPosition(
        axis, position, Math.floor(this.support / 2)) + 0.5));
  }

  /* The stored pixel nearest to a place in the image. */
  pixelAt(y, x) {
    const limits = [this.rows, this.columns];
    return [y, x].map((place, axis) => {
      const input = place * this.inputSize[axis] / this.imageSize[axis] - 0.5;
      const zero = this.tapPosition(axis, 0, Math.floor(this.support / 2));
      const position = (input - zero) / (this.stride[axis] * this.step);
      return Math.min(limits[axis] - 1, Math.max(0, Math.round(position)));
    });
  }
}
