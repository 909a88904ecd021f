"""The layers that benchmarks time, alpha given."""
import random

from .cases import PAPER, Case


def paper_layer(batch: int, channels: int, side: int) -> Case:
    """The paper's layer on square maps, alpha given."""
    return Case(
        f'{batch}x{channels}x{side}x{side}',
        batch=batch,
        in_channels=channels,
        out_channels=channels,
        size=(side, side),
        padding=(3, 3),
        bias=False,
        **PAPER)


# Of the project's timing tables.
LARGE_CASES = [
    paper_layer(*shape)
    for shape in ((1, 256, 64), (4, 128, 28), (8, 64, 32), (2, 64, 112))
]
# On a GPU these are soon done.
GPU_CASES = [*LARGE_CASES, paper_layer(8, 256, 100)]


def _sweep_case(name: str,
                batch: int = 1,
                channels: int = 64,
                side: int = 28,
                kernel: int = 7,
                num_atoms: int = 6,
                **options) -> Case:
    """'Same' padding, and the scales that ACDAConv takes by default."""
    dilation = options.get('dilation', (1, 1))
    return Case(
        name,
        batch=batch,
        in_channels=channels,
        out_channels=options.pop('out_channels', channels),
        size=(side, side),
        scales=tuple(range(3, kernel + 1, 2)),
        padding=tuple(d * (kernel // 2) for d in dilation),
        num_atoms=num_atoms,
        bias=False,
        **options)


# One of each kind of layer that the operator has to be quick at.
SWEEP_CASES = [
    _sweep_case('stride-2', stride=(2, 2)),
    _sweep_case('dilation-2', dilation=(2, 2)),
    *[_sweep_case(f'kernel-{k}', kernel=k) for k in (3, 5, 9, 11)],
    _sweep_case('one-atom', num_atoms=1),
    _sweep_case('twelve-atoms', num_atoms=12),
    _sweep_case('two-bases', num_bases=2),
    _sweep_case('groups-4', groups=4),
    _sweep_case('depthwise', groups=64),
    _sweep_case('3-channels', channels=3, side=56, out_channels=64),
    _sweep_case('17-channels', channels=17, side=33),
    _sweep_case('1x1-map', side=1),
    _sweep_case('1x1-map-batch-16', batch=16, side=1),
]


def draw_sweep_case(rng: random.Random) -> Case:
    """A layer of any kind and of a size that unfolding can still serve."""
    kernel = rng.choice((3, 5, 7, 9, 11))
    groups = rng.choice((1, 1, 1, 2, 4))
    channels = groups * rng.choice((1, 2, 3, 8, 17, 24, 32, 64, 96))
    out_channels = groups * rng.choice((1, 5, 16, 32, 64))
    side = rng.choice((1, 2, 5, 7, 13, 14, 28, 33, 56))
    stride, dilation = rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2))
    most = 2**25 // (kernel**2 * channels * side**2)  # 128 MiB unfolded
    batch = rng.choice([b for b in (1, 2, 3, 8, 16) if b <= max(1, most)])
    atoms, bases = rng.choice((1, 2, 4, 6, 9)), rng.choice((1, 3, 6))
    return _sweep_case(
        f'{batch}x{channels}to{out_channels}x{side} k{kernel} s{stride} '
        f'd{dilation} m{atoms} b{bases} g{groups}',
        batch,
        channels,
        side,
        kernel,
        out_channels=out_channels,
        stride=(stride, stride),
        dilation=(dilation, dilation),
        num_atoms=atoms,
        num_bases=bases,
        groups=groups)
