'use strict';
/* State, events, and the panels. */

(function () {
  const SIMILAR = 8, RADIUS = 2, BESIDE = 6;
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

  function select(row, column) {
    const layer = current();
    state.row = Math.max(0, Math.min(layer.rows - 1, row));
    state.column = Math.max(0, Math.min(layer.columns - 1, column));
    shown.atoms = layer.atomsAt(state.row, state.column);
    shown.weights = layer.weightsAt(state.row, state.column);
    shown.field = layer.tapEnergy(shown.atoms);
    shown.similar = layer.similar(state.row, state.column, SIMILAR, RADIUS);
    paint();
  }

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

  function chooseLayer(index) {
    const before = current();
    const place = before.centre(state.row, state.column);
    state.layer = (index + layers.length) % layers.length;
    state.map = Math.min(state.map, current().scaleList.length);
    state.out = state.in = 0;
    [...byId('layers').children].forEach((tab, n) =>
      tab.setAttribute('aria-selected', n === state.layer));
    const layer = current();
    for (const [id, channels, all] of [['out', layer.outs, layer.channels[0]],
      ['in', layer.ins, layer.channels[1]]]) {
      byId(id).replaceChildren(...channels.map((channel, n) =>
        new Option(String(channel), String(n))));
      byId(id).title = `${channels.length} of ${all} channels, ` +
        'those with the largest composition coefficients';
    }
    paintMaps();
    byId('precision').textContent = describe(layer);
    select(...layer.pixelAt(...place));
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
    const side = Math.min(132, 132 * width / height);
    const names = ['image', ...layer.scaleList.map((s, n) =>
      `scale ${s}: ${percent(layer.shares[n])}`)];
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

  function chooseMap(index) {
    if (index > current().scaleList.length) return;
    state.map = index;
    [...byId('maps').children].forEach((button, n) =>
      button.setAttribute('aria-checked', n === index));
    paintStage();
  }

  function hold(row, column) {
    state.pinned = true;
    select(row, column);
  }

  function place(event) {
    return current().pixelAt(event.offsetY / view, event.offsetX / view);
  }

  let waiting = null;
  function listen() {
    const stage = byId('stage');
    stage.addEventListener('pointermove', (event) => {
      if (state.pinned) return;
      if (!waiting) requestAnimationFrame(() => {
        const target = waiting;
        waiting = null;
        if (!state.pinned) select(...target);
      });
      waiting = place(event);
    });
    stage.addEventListener('click', (event) => hold(...place(event)));
    byId('out').onchange = (event) => {
      state.out = Number(event.target.value);
      paintFilters();
    };
    byId('in').onchange = (event) => {
      state.in = Number(event.target.value);
      paintFilters();
    };
    byId('overlay').onchange = (event) => {
      state.overlay = event.target.checked;
      paintStage();
    };
    byId('helpButton').onclick = () => byId('help').showModal();
    window.addEventListener('resize', () => paint());
    document.addEventListener('keydown', onKey);
  }

  function onKey(event) {
    if (event.target.tagName === 'SELECT' || byId('help').open ||
      event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 10 : 1;
    const moves = {ArrowUp: [-far, 0], ArrowDown: [far, 0],
      ArrowLeft: [0, -far], ArrowRight: [0, far]};
    const move = moves[event.key];
    if (move) hold(state.row + move[0], state.column + move[1]);
    else if (event.key === '[') chooseLayer(state.layer - 1);
    else if (event.key === ']') chooseLayer(state.layer + 1);
    else if (event.key === '?') byId('help').showModal();
    else if (event.key === 'o') byId('overlay').click();
    else if (event.key === 'Escape') {
      state.pinned = false;
      paintText();
    } else if (/^[0-9]$/.test(event.key)) chooseMap(Number(event.key));
    else return;
    event.preventDefault();
  }

  image.onload = () => {
    byId('title').textContent = data.title;
    byId('layers').replaceChildren(...layers.map((layer, n) => {
      const tab = document.createElement('button');
      tab.setAttribute('role', 'tab');
      tab.textContent = layer.name;
      tab.onclick = () => chooseLayer(n);
      return tab;
    }));
    byId('bar').getContext('2d').putImageData(new ImageData(
      new Uint8ClampedArray(Array.from({length: 256}, (_, n) =>
        [...energyColours.slice(3 * n, 3 * n + 3), 255]).flat()), 256, 1),
    0, 0);
    listen();
    const layer = current();
    const maps = layer.energyMaps();
    // Start where the filters have most to do.
    let best = 0, most = -1;
    for (let p = 0; p < maps[0].length; p++) {
      const energy = maps.reduce((sum, map) => sum + map[p], 0);
      if (energy > most) [best, most] = [p, energy];
    }
    state.row = Math.floor(best / layer.columns);
    state.column = best % layer.columns;
    chooseLayer(0);
    document.body.dataset.ready = 'yes';
  };
  image.src = data.image;
  window.explorer = {state, shown, layers, hold, chooseLayer};
})();
