'use strict';
/* What the page shows, and the panels that show it. */

const BESIDE = 6;  // filters in a row
const data = JSON.parse(document.getElementById('data').textContent);
const energyColours = new Uint8Array(decode(data.colours.energy));
const energyScale = Array.from({length: 17}, (_, n) => {
  const at = 3 * Math.min(255, n * 16);
  return [n / 16, `rgb(${energyColours.slice(at, at + 3).join(',')})`];
});
const layers = data.layers.map((layer) => new Layer(layer, data.imageSize));
const state = {layer: 0, row: 0, column: 0, map: 0, out: 0, in: 0,
  pinned: false, overlay: true};
const shown = {};  // what the panels show of the pixel
const image = new Image();
const byId = (id) => document.getElementById(id);
const current = () => layers[state.layer];
const percent = (value) => (100 * value).toFixed(1) + ' %';
let view = 1;  // screen pixels per image pixel

function paint() {
  paintStage();
  paintText();
  paintField();
  paintWeights();
  const limit = Math.max(1e-12, ...shown.atoms.map(
    (atom) => Math.max(...atom.map(Math.abs))));
  plotMaps(byId('atoms'), shown.atoms, shown.atoms.map(
    (_, m) => `atom ${m + 1}`), current().support,
  {columns: 6, cell: 112, scale: data.colours.signed, low: -limit,
    high: limit});
  paintFilters();
  paintSimilar();
}

function paintStage() {
  const layer = current(), [height, width] = data.imageSize;
  const space = byId('stage').parentElement.clientWidth - 30;
  view = Math.min(space / width, 620 / height);
  const [, context] = makeCanvas(width * view, height * view, byId('stage'));
  context.imageSmoothingEnabled = view < 1;
  context.drawImage(image, 0, 0, width * view, height * view);
  if (state.map > 0) {
    context.imageSmoothingEnabled = false;
    context.fillStyle = 'rgba(255,255,255,.65)';
    context.fillRect(0, 0, width * view, height * view);
    const [x, y, w, h] = mapBox(layer).map((v) => v * view);
    context.drawImage(coloured(layer, state.map - 1), x, y, w, h);
  }
  const toView = (x, y) => [x * view, y * view];
  const [y, x] = layer.centre(state.row, state.column);
  if (state.overlay) {
    const boxes = tapBoxes(layer, state.row, state.column, shown.field);
    drawField(context, boxes, energyColours, toView);
    shown.similar.forEach((other, n) => {
      const [v, u] = layer.centre(other.row, other.column);
      drawRing(context, u * view, v * view, 7, String(n + 1));
    });
    const reach = Math.max(...boxes.map(
      (box) => Math.abs(box.left + box.width / 2 - x) + box.width / 2));
    drawCross(context, x * view, y * view, Math.max(4, reach * view));
  } else drawCross(context, x * view, y * view, 3);
}

function coloured(layer, index) {
  layer.coloured = layer.coloured || layer.energyMaps().map((map) =>
    colourMap(map, layer.rows, layer.columns, layer.maximum,
      energyColours));
  return layer.coloured[index];
}

function paintText() {
  const layer = current(), step = layer.step;
  const [y, x] = layer.centre(state.row, state.column);
  byId('pixel').textContent =
    `${layer.name}: row ${state.row * step}, column ` +
    `${state.column * step} of ${layer.size.join(' × ')}` +
    `; image ${(y - 0.5).toFixed(1)}, ${(x - 0.5).toFixed(1)}` +
    (state.pinned ? '; held (Esc lets go)' : '; click to hold');
}

function paintWeights() {
  const layer = current();
  const names = layer.scaleList.map((s) => `${s} × ${s}`);
  Plotly.react(byId('weights'), [{type: 'bar', orientation: 'h',
    y: names, x: shown.weights, text: shown.weights.map(percent),
    textposition: 'auto', cliponaxis: false,
    marker: {color: '#0072b2'}, hoverinfo: 'none'}],
  {width: byId('weights').parentElement.clientWidth - 30,
    height: 44 + 30 * names.length, margin: {l: 44, r: 10, t: 4, b: 28},
    xaxis: {range: [0, 1], tickformat: '.0%', fixedrange: true,
      nticks: 5},
    yaxis: {autorange: 'reversed', fixedrange: true}, bargap: 0.25,
    font: {family: 'system-ui, sans-serif', size: 11, color: '#1d2430'}},
  {displayModeBar: false});
}

function paintField() {
  const layer = current();
  const boxes = tapBoxes(layer, state.row, state.column, shown.field);
  const [y, x] = layer.centre(state.row, state.column);
  const half = Math.max(...boxes.map((box) => Math.max(
    Math.abs(box.left + box.width - x), Math.abs(box.top + box.height - y))));
  const [, context, toView] = crop(
    image, y, x, 1.7 * half, 170, byId('lens'));
  drawField(context, boxes, energyColours, toView);
  context.font = 'bold 10px system-ui, sans-serif';
  for (const scale of layer.scaleList) {
    const inset = (layer.support - scale) / 2;
    const first = boxes[inset * layer.support + inset];
    const last = boxes[boxes.length - 1 - inset * layer.support - inset];
    const [left, top] = toView(first.left, first.top);
    const [right, bottom] = toView(
      last.left + last.width, last.top + last.height);
    outlined(context, () => {
      context.beginPath();
      context.rect(left, top, right - left, bottom - top);
    }, '#111', 1.2);
  }
  const total = boxes.reduce((sum, box) => sum + box.energy, 0);
  let square = 0;
  for (const box of boxes)
    square += box.energy * ((box.left + box.width / 2 - x) ** 2 +
      (box.top + box.height / 2 - y) ** 2);
  shown.radius = total > 0 ? Math.sqrt(square / total) : 0;
  byId('radius').textContent =
    `RMS radius ${shown.radius.toFixed(2)} image pixels`;
  plotMaps(byId('field'), [shown.field], ['energy per tap'], layer.support,
    {columns: 1, cell: 150, scale: energyScale, low: 0,
      high: Math.max(1e-12, ...shown.field)});
}

function paintFilters() {
  const layer = current(), titles = [];
  shown.filters = [];
  for (let n = state.in; n < Math.min(layer.ins.length, state.in + BESIDE);
    n++) {
    shown.filters.push(layer.filter(shown.atoms, state.out, n));
    titles.push(`${layer.ins[n]} → ${layer.outs[state.out]}`);
  }
  const limit = Math.max(1e-12, ...shown.filters.map(
    (filter) => Math.max(...filter.map(Math.abs))));
  plotMaps(byId('filters'), shown.filters, titles, layer.support,
    {columns: BESIDE, cell: 112, scale: data.colours.signed, low: -limit,
      high: limit});
}

function paintSimilar() {
  const layer = current(), list = byId('similar');
  list.replaceChildren(...shown.similar.map((other, n) => {
    const item = document.createElement('li');
    const button = document.createElement('button');
    const [y, x] = layer.centre(other.row, other.column);
    const reach = 1.2 * layer.imageEdge(1, layer.support * layer.dilation[1]);
    const [thumbnail, context] = crop(image, y, x, reach, 62);
    drawCross(context, 31, 31, 4);
    button.append(thumbnail);
    const label = document.createElement('span');
    label.innerHTML = `<b>${n + 1}</b> ${other.cosine.toFixed(3)}<br>` +
      `${other.row * layer.step}, ${other.column * layer.step}`;
    button.append(label);
    button.onclick = () => hold(other.row, other.column);
    item.append(button);
    return item;
  }));
}

function describe(layer) {
  const stored = layer.stored;
  return `${layer.name}: coefficients stored in ${stored.bits} bits (error ` +
    `at most ${(stored.unit / 2).toPrecision(2)})` +
    (layer.step > 1 ? ` at every ${layer.step}th row and column` :
      ' at every pixel') +
    `; composition coefficients of ${layer.outs.length} of ` +
    `${layer.channels[0]} output and ${layer.ins.length} of ` +
    `${layer.channels[1]} input channels` +
    (layer.groups > 1 ? ' per group' : '') + ' in 32 bits; receptive ' +
    `fields and likeness are over all channels. mmacda ${data.version}.`;
}

function paintMaps() {
  const layer = current();
  layer.energyMaps();
  const [height, width] = data.imageSize;
  const names = ['image', ...layer.scaleList.map((s, n) =>
    `scale ${s}: ${percent(layer.shares[n])}`)];
  const room = byId('maps').clientWidth / names.length - 20;
  const side = Math.max(96, Math.min(132, room)) *
    Math.min(1, width / height);
  byId('maps').replaceChildren(...names.map((name, n) => {
    const button = document.createElement('button');
    button.setAttribute('role', 'radio');
    button.setAttribute('aria-checked', n === state.map);
    const [canvas, context] = makeCanvas(side, side * height / width);
    context.fillStyle = '#e8ebef';
    context.fillRect(0, 0, side, side * height / width);
    if (n === 0)
      context.drawImage(image, 0, 0, side, side * height / width);
    else
      context.drawImage(coloured(layer, n - 1), ...mapBox(layer).map(
        (v) => v * side / width));
    button.append(canvas, name + ' ');
    const key = document.createElement('kbd');
    key.textContent = String(n);
    button.append(key);
    button.onclick = () => chooseMap(n);
    return button;
  }));
  byId('maximum').textContent = layer.maximum.toPrecision(3) +
    ' per pixel';
}
