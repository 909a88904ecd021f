"""What the operator must reach: largest ratios."""
from typing import Optional

from . import gpu_goals

LIMITS = {
    # On a CPU in float32. case: {(measure, rival): (native, stock)}
    '1x256x64x64': {
        ('forward', 'conv7'): (0.18, 0.23),
        ('forward', 'conv3'): (0.95, 1.2),
        ('forward', 'unfold'): (0.038, 0.05),
        ('forward+backward', 'conv7'): (0.25, 0.40),
    },
    '4x128x28x28': {
        ('forward', 'conv7'): (0.22, 0.34),
        ('forward', 'conv3'): (1.1, 1.7),
        ('forward', 'unfold'): (0.032, 0.055),
        ('forward+backward', 'conv7'): (0.30, 0.50),
    },
    '8x64x32x32': {
        ('forward', 'conv7'): (0.42, 0.70),
        ('forward', 'unfold'): (0.032, 0.06),
        ('forward+backward', 'conv7'): (0.50, 0.90),
    },
    '2x64x112x112': {
        ('forward', 'conv7'): (0.34, 0.60),
        ('forward', 'unfold'): (0.025, 0.045),
        ('forward+backward', 'conv7'): (0.45, 0.90),
    },
}
BACKENDS = ('native', 'stock')
# The whole layer on a CPU in float32, by generator: largest ratios to a 3x3
# convolution in inference and in training, and to a 7x7 one in inference.
LAYER_LIMITS = {
    'layer 1x256x64x64': dict(light=(0.92, 1.15, 0.17),
                              half=(1.20, 1.45, 0.22)),
    'layer 4x128x28x28': dict(light=(1.15, 1.30, 0.26),
                              half=(1.60, 1.75, 0.36)),
    'layer 8x64x32x32': dict(light=(1.75, 2.00, 0.38),
                             half=(2.75, 2.80, 0.58)),
    'layer 2x64x112x112': dict(light=(1.85, 2.30, 0.32),
                               half=(2.85, 3.20, 0.49)),
}
LAYER_MEASURES = [('inference', 'conv3'), ('training', 'conv3'),
                  ('inference', 'conv7')]
# Ad-ResNet-s with the light generator against its 3x3 twin.
MODEL_LIMITS = {'inference': 1.00, 'training': 1.05}
# Of unfold + einsum, for the paper's layer with 256 channels.
SAVED_BYTES = 1 / 30
PEAK_MEMORY = 1 / 10
# Peak of the process at 64 channels and 1024 x 1024 pixels.
LARGEST_GIB = 4
# Time and memory per pixel, largest map against the smaller ones.
GROWTH = 1.5
SLOWER_CASES = 0  # than unfold + einsum, in the sweep


def half_limit(channels: int, measure: str, contestant: str,
               rival: str) -> Optional[float]:
    """As :func:`layer_limit`, in half precision on a CPU that has it."""
    if (measure, contestant, rival) != ('inference', 'acda-light', 'conv3'):
        return None
    return 2.0 if channels >= 128 else 3.0


def layer_limit(case: str, measure: str, contestant: str, rival: str,
                device: str) -> Optional[float]:
    """As :func:`limit`, for layers and networks."""
    if device == 'cuda':
        return None
    if contestant == 'acda-light' and rival == 'conv':
        return MODEL_LIMITS[measure]
    form = contestant.replace('acda-', '')
    limits = LAYER_LIMITS.get(case, {}).get(form)
    if limits is None or (measure, rival) not in LAYER_MEASURES:
        return None
    return limits[LAYER_MEASURES.index((measure, rival))]


def limit(case: str, measure: str, backend: str, rival: str, device: str,
          dtype: str) -> Optional[float]:
    """The ratio to reach, or None where none is asked for."""
    if device == 'cuda':
        return gpu_goals.limit(case, measure, backend, rival, dtype)
    if dtype != 'float32':
        return None
    limits = LIMITS.get(case, {}).get((measure, rival))
    if limits is None or backend not in BACKENDS:
        return None
    return limits[BACKENDS.index(backend)]
