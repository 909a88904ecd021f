"""Parameters of ACDARestorer and of its baseline with plain convolutions.

    python tools/analysis/restorer_parameters.py --num-blocks 16

The paper's restoration network has fewer parameters with ACDA than without.
At these widths that takes the 1x1 atom generator, which is the restorer's
default, and not the 3x3 one of the authors' release.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace

from mmacda.apis.command_line import CommandParser, positive_int, run_command
from mmacda.models import ACDARestorer

FORMS = {
    'ACDA, 1x1 generator (default)': {},
    'ACDA, 3x3 generator': dict(
        acda_cfg=dict(atom_generator=dict(kernel_size=3))),
    'conv (baseline twin)': dict(conv_type='conv'),
}


def count_parameters(**kwargs) -> dict:
    """Trained parameters of the three forms, by name."""
    return {
        name: sum(
            p.numel() for p in ACDARestorer(**options, **kwargs).parameters())
        for name, options in FORMS.items()
    }


def report(args: Namespace) -> None:
    """Print the three counts."""
    counts = count_parameters(**vars(args))
    baseline = counts['conv (baseline twin)']
    for name, count in counts.items():
        print(f'{name:<30} {count:>10,}  {count / baseline:7.1%}')


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument('--mid-channels', type=positive_int, default=64)
    parser.add_argument('--num-blocks', type=positive_int, default=16)
    parser.add_argument('--upscale', type=positive_int, default=1)
    run_command(parser, report)


if __name__ == '__main__':
    main()
