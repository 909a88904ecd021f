"""ACDAConv's hyper-parameters to test, with the helpers that build them."""
import pytest
import torch
import torch.nn as nn

from mmacda.layers import ACDAConv
from mmacda.ops import fourier_bessel_bases

PADDING_MODES = ('zeros', 'reflect', 'replicate', 'circular')
# Arguments after (in_channels, out_channels) = (4, 8).
HYPER_PARAMETERS = {
    'plain': dict(kernel_size=3, padding=1),
    'kernel-5': dict(kernel_size=5, padding=2),
    'kernel-7': dict(kernel_size=7, padding=3),
    'pointwise': dict(kernel_size=1),
    'pointwise-stride': dict(kernel_size=1, stride=2, padding=1),
    'drop-in': dict(kernel_size=3, padding=1, scales=(3, 5, 7)),
    'drop-in-valid': dict(kernel_size=3, scales=(3, 5)),
    'narrow-scales': dict(kernel_size=5, padding=2, scales=(3, )),
    'direct': dict(kernel_size=3, padding=1, atom_bases=None),
    'direct-5': dict(kernel_size=5, padding=2, atom_bases=None),
    'own-bases': dict(
        kernel_size=3, padding=1, atom_bases=fourier_bessel_bases((5, ), 14)),
    'padding-0': dict(kernel_size=3),
    'padding-2': dict(kernel_size=3, padding=2),
    'padding-3': dict(kernel_size=3, padding=3),
    'padding-mixed': dict(kernel_size=5, padding=(1, 4)),
    'padding-same': dict(kernel_size=5, padding='same', dilation=2),
    'padding-valid': dict(kernel_size=3, padding='valid', stride=2),
    'stride-2': dict(kernel_size=3, padding=1, stride=2),
    'stride-3': dict(kernel_size=3, padding=1, stride=3),
    'stride-mixed': dict(kernel_size=5, padding=2, stride=(1, 2)),
    'dilation-2': dict(kernel_size=3, padding=2, dilation=2),
    'dilation-2-stride-2': dict(
        kernel_size=3, padding=1, dilation=2, stride=2),
    'dilation-drop-in': dict(
        kernel_size=3, padding=2, dilation=2, scales=(3, 5)),
    'groups-2': dict(kernel_size=3, padding=1, groups=2),
    'depthwise': dict(kernel_size=3, padding=1, groups=4),
    'depthwise-5-stride': dict(kernel_size=5, padding=2, stride=2, groups=4),
    'no-bias': dict(kernel_size=3, padding=1, bias=False),
    'one-atom': dict(kernel_size=3, padding=1, num_atoms=1, num_bases=2),
    **{
        f'{mode}-padding': dict(kernel_size=3, padding=1, padding_mode=mode)
        for mode in PADDING_MODES[1:]
    },
    **{
        f'{mode}-drop-in': dict(
            kernel_size=3, padding=1, scales=(3, 5), padding_mode=mode)
        for mode in PADDING_MODES[1:]
    },
    **{
        f'{mode}-stride': dict(
            kernel_size=5, padding=(1, 2), stride=2, padding_mode=mode)
        for mode in PADDING_MODES[1:]
    },
}
CONV2D_KEYS = ('kernel_size', 'stride', 'padding', 'dilation', 'groups',
               'bias', 'padding_mode')
every_layer = pytest.mark.parametrize(
    'options', HYPER_PARAMETERS.values(), ids=HYPER_PARAMETERS)


def build(options, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    layer = ACDAConv(4, 8, **options)
    if layer.bias is not None:
        nn.init.normal_(layer.bias)
    return layer.to(dtype)


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def conv2d_like(options):
    return nn.Conv2d(4, 8, **{
        key: value
        for key, value in options.items() if key in CONV2D_KEYS
    }).double()
