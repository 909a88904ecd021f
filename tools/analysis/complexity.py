"""Parameters and multiply-adds: the paper's Table 6, or any config's model.

    python tools/analysis/complexity.py configs/lenet/lenet-acda_digits.py

Without a CONFIG, prints Table 6 (one layer, 256 to 256 channels, a map of
100 x 100 pixels) beside the paper's numbers. With one, counts a whole model;
FLOPs are multiply-adds, as in the paper and in MMEngine's counter.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import SUPPRESS, Namespace
from typing import Dict, Sequence, Tuple

from mmacda.apis.command_line import (CommandParser, UsageError,
                                      add_cfg_options, add_model_arguments,
                                      run_command, status)
from mmacda.apis.complexity import count_model
from mmacda.apis.export import input_channels
from mmacda.apis.input_size import image_size
from mmacda.apis.load_model import build_model
from mmacda.apis.read_config import read_config

CHANNELS, SIDE, KERNELS = 256, 100, (3, 5, 7)
NUM_ATOMS, NUM_BASES, HIDDEN = 6, 18, 64
SIDE_OF_IMAGES = 224

# Table 6 of the paper, in millions, for KERNELS.
PAPER_FLOPS = {
    'Conv': (5900.8, 16386.6, 32115.2),
    'ACDA (conv only)': (4073.0, 4318.7, 4687.4),
    'ACDA (+ 1x1, 1x1 generator)': (4311.2, 4557.0, 4925.7),
}
PAPER_PARAMETERS = {
    'Conv': (0.59, 1.64, 3.12),
    'ACDA (conv only)': (0.39, 0.39, 0.39),
    'ACDA (+ 1x1, 1x1 generator)': (0.41, 0.43, 0.45),
}
NOTES = """\
Multiply-adds with bias. Composing the atoms from their coefficients, which no
row includes, adds {compose} M. The paper does not give the kernel
sizes of its generator: 1x1, 1x1 comes nearest to its FLOPs, no form explains
its parameters, and the authors' code has 3x3, 3x3. Its 3.12 for Conv 7x7
should be 256 * 256 * 49 + 256 = 3.21 M."""


def conv_cost(in_channels: int,
              out_channels: int,
              kernel: int,
              groups: int = 1) -> Tuple[int, int]:
    """Parameters, and multiply-adds per output pixel, bias included."""
    cost = out_channels * in_channels // groups * kernel**2 + out_channels
    return cost, cost


def acda_cost(in_channels: int,
              out_channels: int,
              kernel: int,
              num_atoms: int = NUM_ATOMS,
              groups: int = 1) -> Tuple[int, int]:
    """Of the atom and the coefficient convolution (Eq. 5 and 6)."""
    parameters, coefficient = conv_cost(in_channels * num_atoms, out_channels,
                                        1, groups)
    return parameters, coefficient + in_channels * num_atoms * kernel**2


def compose_cost(kernel: int,
                 num_atoms: int = NUM_ATOMS,
                 num_bases: int = NUM_BASES) -> int:
    """Multiply-adds per output pixel of D = alpha psi (Eq. 4)."""
    return num_atoms * num_bases * kernel**2


def generator_cost(in_channels: int,
                   outputs: int = NUM_ATOMS * NUM_BASES,
                   kernels: Sequence[int] = (3, 3),
                   hidden: int = HIDDEN) -> Tuple[int, int]:
    """Of the atom generator: two convolutions, a norm after each.

    A norm has two parameters per channel, and scales and shifts every value:
    two operations, as MMEngine counts them.
    """
    cost = (
        in_channels * hidden * kernels[0]**2 +
        hidden * outputs * kernels[1]**2 + 2 * (hidden + outputs))
    return cost, cost


def table6() -> Dict[str, Dict[int, Tuple[int, int]]]:
    """Rows of Table 6: kernel -> (parameters, multiply-adds per layer)."""
    rows: Dict[str, Dict[int, Tuple[int, int]]] = {}
    for kernel in KERNELS:
        conv_only = acda_cost(CHANNELS, CHANNELS, kernel)
        costs = {
            'Conv': conv_cost(CHANNELS, CHANNELS, kernel),
            'ACDA (conv only)': conv_only,
        }
        for size in (1, 3):
            generator = generator_cost(CHANNELS, kernels=(size, size))
            costs[f'ACDA (+ {size}x{size}, {size}x{size} generator)'] = tuple(
                map(sum, zip(conv_only, generator)))
        for name, (parameters, per_pixel) in costs.items():
            rows.setdefault(name, {})[kernel] = (parameters,
                                                 per_pixel * SIDE**2)
    return rows


def format_table6() -> str:
    """Table 6, ours / paper's."""
    header = [f'{k}x{k}, ours / paper' for k in KERNELS]
    lines = [
        f'{CHANNELS} -> {CHANNELS} channels, {SIDE} x {SIDE} pixels, '
        f'{NUM_ATOMS} atoms, {NUM_BASES} bases'
    ]
    for index, title, paper, digits in (
        (1, 'FLOPs (M)', PAPER_FLOPS, 1),
        (0, 'Parameters (M)', PAPER_PARAMETERS, 2)):
        lines += ['', f'{title:<28}' + ''.join(f'{h:>24}' for h in header)]
        for name, costs in table6().items():
            theirs = [f'{v:,.{digits}f}' for v in paper.get(name, ())]
            cells = [
                f'{costs[k][index] / 1e6:,.{digits}f} / {their:>8}'
                for k, their in zip(KERNELS, theirs or '---')
            ]
            lines.append(f'{name:<28}' + ''.join(f'{c:>24}' for c in cells))
    compose = ' / '.join(f'{compose_cost(k) * SIDE**2 / 1e6:.1f}'
                         for k in KERNELS)
    return '\n'.join([*lines, '', NOTES.format(compose=compose)])


def parse_shape(shape: Sequence[int],
                channels: int = 3) -> Tuple[int, int, int]:
    """(channels, height, width) from one to three numbers.

    Raises:
        UsageError: If there are more, or one is not positive.
    """
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise UsageError('--shape takes one to three positive numbers: side; '
                         'height width; or channels height width; but got '
                         f'{list(shape)}')
    if len(shape) == 1:
        return (channels, shape[0], shape[0])
    return tuple(shape) if len(shape) == 3 else (channels, *shape)


def format_modules(modules: Dict[str, Tuple[int, int]]) -> str:
    """A line per module that computes something."""
    width = max(map(len, modules))
    lines = [f'{"module":<{width}}{"parameters":>14}{"FLOPs":>18}']
    lines += [
        f'{name:<{width}}{params:>14,}{flops:>18,}'
        for name, (params, flops) in modules.items()
    ]
    return '\n'.join(lines)


def report(args: Namespace) -> None:
    """Print what the command line asks for."""
    if args.config is None:
        print(format_table6())
        return
    cfg = read_config(args.config, args.cfg_options)
    given = args.shape or image_size(cfg) or [SIDE_OF_IMAGES]
    with status(f'counting {args.config}'):
        model = build_model(cfg)
        shape = parse_shape(given, input_channels(model))
        try:
            counts = count_model(model, shape)
        except (RuntimeError, ValueError) as error:  # of a layer
            raise UsageError(f'{args.config} does not take an image of the '
                             f'shape {shape}: give --shape ({error})')
    if args.table:
        print(format_modules(counts.modules))
    print(f'{args.config}, input {shape}')
    print(f'parameters {counts.params:,} ({counts.params / 1e6:.2f} M)')
    print(f'FLOPs (multiply-adds) {counts.flops:,} '
          f'({counts.flops / 1e9:.3f} G)')


def main() -> None:
    parser = CommandParser(__doc__)
    add_model_arguments(parser, checkpoint='', default=SUPPRESS)
    parser.add_argument(
        '--shape',
        type=int,
        nargs='+',
        help='input of the model: side; height width; or channels height '
        "width. Default: that of the config's test images, else "
        f'{SIDE_OF_IMAGES}')
    parser.add_argument(
        '--table', action='store_true', help='also print each module')
    add_cfg_options(parser)
    run_command(parser, report)


if __name__ == '__main__':
    main()
