'use strict';
/* What the user does: pixels, layers, maps, keys. */

const SIMILAR = 8, RADIUS = 2;  // similar pixels, and their distance

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
