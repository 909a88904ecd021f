'use strict';
/* Canvases: the image, the maps, and what is drawn on them. */

const MARK = '#d55e00';

function makeCanvas(width, height, canvas) {
  canvas = canvas || document.createElement('canvas');
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = width + 'px';
  canvas.style.height = height + 'px';
  const context = canvas.getContext('2d');
  context.scale(ratio, ratio);
  context.imageSmoothingEnabled = false;
  return [canvas, context];
}

/* Values (rows x columns) in colours, one canvas pixel each. */
function colourMap(values, rows, columns, maximum, colours) {
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(columns, rows);
  for (let p = 0; p < values.length; p++) {
    const level = Math.max(0, Math.min(
      255, Math.round(values[p] / maximum * 255)));
    pixels.data.set(colours.subarray(3 * level, 3 * level + 3), 4 * p);
    pixels.data[4 * p + 3] = 255;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/* Place of a layer's map in the image: pixels around their centres. */
function mapBox(layer) {
  const [top, left] = layer.centre(0, 0);
  const [bottom, right] = layer.centre(layer.rows - 1, layer.columns - 1);
  const unit = [0, 1].map((axis) =>
    layer.imageEdge(axis, layer.stride[axis] * layer.step));
  return [left - unit[1] / 2, top - unit[0] / 2,
    right - left + unit[1], bottom - top + unit[0]];
}

/* The taps of a pixel as boxes in image pixels, with their energy. */
function tapBoxes(layer, row, column, energy) {
  const boxes = [], size = layer.support;
  const edge = (axis, position, tap) => {
    const place = layer.tapPosition(axis, position, tap);
    return [layer.imageEdge(axis, place), layer.imageEdge(axis, place + 1)];
  };
  for (let u = 0; u < size; u++)
    for (let v = 0; v < size; v++) {
      const [top, bottom] = edge(0, row, u), [left, right] = edge(1, column, v);
      boxes.push({left, top, width: right - left, height: bottom - top,
        energy: energy[u * size + v]});
    }
  return boxes;
}

/* Receptive field as an overlay in a frame: strong taps are opaque. */
function drawField(context, boxes, colours, toView) {
  const last = boxes[boxes.length - 1];
  const most = Math.max(1e-30, ...boxes.map((box) => box.energy));
  for (const box of boxes) {
    const value = Math.sqrt(box.energy / most);
    const at = 3 * Math.round(value * 255);
    context.fillStyle = `rgba(${colours[at]},${colours[at + 1]},` +
      `${colours[at + 2]},${0.15 + 0.8 * value})`;
    const [x, y] = toView(box.left, box.top);
    const [right, bottom] = toView(box.left + box.width,
      box.top + box.height);
    context.fillRect(x, y, right - x, bottom - y);
  }
  const [x, y] = toView(boxes[0].left, boxes[0].top);
  const [right, bottom] = toView(last.left + last.width,
    last.top + last.height);
  outlined(context, () => {
    context.beginPath();
    context.rect(x, y, right - x, bottom - y);
  }, '#111', 1);
}

/* A line that shows on light and on dark. */
function outlined(context, draw, colour, width) {
  context.lineWidth = width + 2.4;
  context.strokeStyle = 'rgba(255,255,255,.9)';
  draw();
  context.stroke();
  context.lineWidth = width;
  context.strokeStyle = colour;
  draw();
  context.stroke();
}

function drawRing(context, x, y, radius, label) {
  outlined(context, () => {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }, MARK, 1.6);
  context.font = 'bold 12px system-ui, sans-serif';
  context.lineWidth = 3;
  context.strokeStyle = '#fff';
  context.strokeText(label, x + radius + 2, y - radius + 4);
  context.fillStyle = MARK;
  context.fillText(label, x + radius + 2, y - radius + 4);
}

function drawCross(context, x, y, size) {
  outlined(context, () => {
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + dx * size, y + dy * size);
      context.lineTo(x + dx * (size + 9), y + dy * (size + 9));
    }
  }, '#111', 2);
}

/* A part of the image around a place (y, x), `reach` image pixels each way. */
function crop(source, y, x, reach, side, canvas) {
  const [made, context] = makeCanvas(side, side, canvas);
  context.fillStyle = '#e8ebef';
  context.fillRect(0, 0, side, side);
  const zoom = side / (2 * reach);
  context.drawImage(source, (reach - x) * zoom, (reach - y) * zoom,
    source.naturalWidth * zoom, source.naturalHeight * zoom);
  return [made, context, (left, top) =>
    [(left - x + reach) * zoom, (top - y + reach) * zoom]];
}

/* Small heat maps side by side with one symmetric or rising colour scale. */
function plotMaps(target, arrays, titles, side, options) {
  const perRow = Math.min(options.columns, arrays.length);
  const lines = Math.ceil(arrays.length / perRow);
  const width = Math.max(60, target.parentElement.clientWidth - 30);
  const cell = Math.min(options.cell, Math.floor(
    (width - 60) / perRow) - 10), label = 16;
  const total = [perRow * (cell + 10), lines * (cell + label + 6)];
  const layout = {margin: {l: 0, r: options.bar === false ? 0 : 60, t: 0, b: 0},
    width: total[0] + (options.bar === false ? 0 : 60), height: total[1],
    paper_bgcolor: '#fff', plot_bgcolor: '#fff', annotations: [],
    font: {family: 'system-ui, sans-serif', size: 11, color: '#1d2430'},
    coloraxis: {colorscale: options.scale, cmin: options.low,
      cmax: options.high, showscale: options.bar !== false,
      colorbar: {thickness: 8, len: 1, x: 1.01, xanchor: 'left', nticks: 5,
        outlinewidth: 0}}};
  const traces = arrays.map((values, n) => {
    const left = (n % perRow) * (cell + 10) / total[0];
    const top = 1 - Math.floor(n / perRow) * (cell + label + 6) / total[1];
    const suffix = n ? String(n + 1) : '';
    const hidden = {showgrid: false, zeroline: false, showticklabels: false,
      ticks: '', fixedrange: true, showline: true, mirror: true,
      linecolor: '#b9c1cb'};
    layout['xaxis' + suffix] = Object.assign(
      {domain: [left, left + cell / total[0]], anchor: 'y' + suffix}, hidden);
    layout['yaxis' + suffix] = Object.assign(
      {domain: [Math.max(0, top - (cell + label) / total[1]),
        top - label / total[1]], anchor: 'x' + suffix,
      autorange: 'reversed'}, hidden);
    layout.annotations.push({text: titles[n], showarrow: false, xref: 'paper',
      yref: 'paper', x: left + cell / 2 / total[0], y: top,
      xanchor: 'center', yanchor: 'top', font: {size: 11}});
    const rows = [];
    for (let r = 0; r < side; r++)
      rows.push(Array.from(values.slice(r * side, (r + 1) * side)));
    return {type: 'heatmap', z: rows, coloraxis: 'coloraxis', xgap: 1, ygap: 1,
      xaxis: 'x' + suffix, yaxis: 'y' + suffix,
      hovertemplate: `${titles[n]}<br>row %{y}, column %{x}: %{z:.4g}` +
        '<extra></extra>'};
  });
  Plotly.react(target, traces, layout, {displayModeBar: false});
}
