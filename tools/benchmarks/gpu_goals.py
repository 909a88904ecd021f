"""What must be reached on a GPU: largest ratios, by a Triton backend.

Measures that end in ', graph' are of CUDA graphs: what the GPU takes, without
the host. Layers are named '8x256x100x100 channels-last' or '... contiguous'.
"""
from typing import NamedTuple, Optional, Tuple

FORWARD, BOTH = 'forward', 'forward+backward'
GRAPH = ', graph'
HALF, SINGLE = 'bfloat16', 'float32'
CHANNELS_LAST, CONTIGUOUS = 'channels-last', 'contiguous'
EAGER_LAYER = (64, 256, 14, 14)


class Goal(NamedTuple):
    """A largest ratio, and the layers that it is for."""
    measure: str
    rival: str
    limit: float
    dtype: str = HALF
    layers: str = 'all'

    def is_for(self, shape: Tuple[int, ...]) -> bool:
        batch, channels, height, width = shape
        return dict(
            all=True,
            wide=channels >= 128 and batch * height * width >= 8000,
            narrow=channels == 64 and height == width == 112,
            eager=tuple(shape) == EAGER_LAYER)[self.layers]


GOALS = (
    Goal(FORWARD + GRAPH, 'conv7', 0.5, layers='wide'),
    Goal(BOTH + GRAPH, 'conv7', 0.6, layers='wide'),
    Goal(FORWARD + GRAPH, 'conv7', 1.4, layers='narrow'),
    Goal(BOTH + GRAPH, 'conv7', 1.7, layers='narrow'),
    Goal(FORWARD + GRAPH, 'unfold', 0.15),
    Goal(BOTH + GRAPH, 'unfold', 0.2),
    Goal(FORWARD, 'conv7', 2.0, layers='eager'),
    Goal(BOTH, 'conv7', 2.0, layers='eager'),
    Goal(f'peak {FORWARD}', 'unfold', 0.1),
    Goal(f'peak {BOTH}', 'unfold', 0.1),
    Goal(FORWARD + GRAPH, 'conv7', 0.25, SINGLE, 'wide'),
)
# Ad-ResNet-s with the light generator against a twin whose dynamic layers are
# plain convolutions: share of its images per second, in training.
IMAGES_PER_SECOND = {'conv3': 0.85, 'conv7': 1.3}


def limit(case: str, measure: str, backend: str, rival: str,
          dtype: str) -> Optional[float]:
    """The ratio to reach, or None where none is asked for."""
    name, _, layout = case.partition(' ')
    if not backend.startswith('triton') or \
            layout != (CONTIGUOUS if dtype == SINGLE else CHANNELS_LAST):
        return None
    shape = tuple(map(int, name.split('x')))
    return next((goal.limit for goal in GOALS
                 if (goal.measure, goal.rival, goal.dtype) ==
                 (measure, rival, dtype) and goal.is_for(shape)), None)


def network_limit(measure: str, contestant: str,
                  rival: str) -> Optional[float]:
    """As :func:`limit`, of the time that an iteration takes."""
    share = IMAGES_PER_SECOND.get(rival)
    if share is None or (measure, contestant) != (f'training{GRAPH}',
                                                  'acda-light'):
        return None
    return 1 / share
