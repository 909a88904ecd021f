"""Are coefficients made on the fly ever slower than those of the plain way?

The same layer, twice: as it chooses, and where no device is one on which they
are made on the fly.
"""
import random
from typing import Callable, Dict, List, NamedTuple, Sequence, Tuple

from . import goals
from .common import Quartiles, Report, Row, time_interleaved
from .models import HALF, LIGHT, PlacedStep, Step, check_layer

SECTION = 'layer-sweep'
CHOSEN, PLAIN = 'acda', 'plain'
FORMS = {'light': LIGHT, '3x3 1x1': HALF}
CHANNELS, SIDES, BATCHES = (3, 16, 32, 64, 128, 256), (5, 8, 14, 28, 57), \
    (1, 2, 8)
MOST_VALUES = 2**21  # of an input


class Layer(NamedTuple):
    """A layer of the sweep and its input's shape."""
    form: str
    shape: Tuple[int, ...]
    stride: int = 1

    def __str__(self) -> str:
        text = f'{"x".join(map(str, self.shape))} {self.form}'
        return f'{text} stride {self.stride}' if self.stride > 1 else text

    @property
    def config(self) -> dict:
        channels = self.shape[1]
        return dict(FORMS[self.form], in_channels=channels,
                    out_channels=channels, stride=self.stride)


def draw(count: int, seed: int) -> List[Layer]:
    """Random layers."""
    rng = random.Random(seed)
    found: List[Layer] = []
    while len(found) < count:
        batch, channels, side = map(rng.choice, (BATCHES, CHANNELS, SIDES))
        if batch * channels * side * side <= MOST_VALUES:
            found.append(Layer(rng.choice(list(FORMS)),
                               (batch, channels, side, side + rng.choice(
                                   (0, 3))), rng.choice((1, 1, 2))))
    return found


def run(report: Report, layers: Sequence[Layer], rounds: int,
        device: str) -> None:
    """Ratios by layer; the worst of them beside the goal."""
    found: Dict[str, List[Row]] = {}
    for number, layer in enumerate(layers, 1):
        print(f'layer {number} of {len(layers)}', flush=True)
        if device == 'cpu':
            check_layer(layer.config, layer.shape)
        given = layer.config, layer.shape, device
        steps = {CHOSEN: Step(*given, part=True),
                 PLAIN: PlacedStep((), *given, part=True)}
        for measure, train in (('inference', False), ('training', True)):
            functions: Dict[str, Callable] = {
                name: step.function(train) for name, step in steps.items()}
            times = time_interleaved(functions, rounds, device)
            found.setdefault(measure, []).append(
                report.add_ratio(SECTION, str(layer), measure, times, CHOSEN,
                                 PLAIN))
    for measure, rows in found.items():
        report.add(SECTION, 'all', measure, CHOSEN, PLAIN,
                   *Quartiles.of([row.median for row in rows]), 'x')
        # Where both go the same way, half of the rounds are above 1.
        slower = sum(row.lower > 1 for row in rows)
        report.add(SECTION, 'slower in 3 of 4 rounds', measure, CHOSEN, PLAIN,
                   slower, slower, slower, 'layers', goals.SLOWER_CASES)
