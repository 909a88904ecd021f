"""Parameters of Ad-ResNet and of the methods in the paper's Table 2.

    python tools/analysis/table2.py

Parameters are counted here wherever a model can be built from mmpretrain's
(CondConv: timm's) definitions. Error rates and the second column of
parameters are the paper's.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

from argparse import Namespace
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

import mmacda  # noqa: F401
from mmacda.apis.command_line import CommandParser, progress, run_command

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'ad_resnet'


class Row(NamedTuple):
    """A line of Table 2, with the way to build its model."""
    method: str
    paper: str
    top1: str
    top5: str
    build: Optional[Callable] = None
    name: str = ''


def from_mmpretrain(name: str):
    """A model of mmpretrain's hub, without weights."""
    from mmpretrain import get_model
    return get_model(name)


def from_config(name: str):
    """A model of ours."""
    cfg = Config.fromfile(CONFIGS / name)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(cfg.model)


def from_timm(name: str):
    """A model of timm, or None where timm is not installed."""
    try:
        import timm
    except ImportError:
        return None
    return timm.create_model(name)


ROWS = (
    Row('ResNet-18', '11.69', '30.24', '10.92', from_mmpretrain,
        'resnet18_8xb32_in1k'),
    Row('ResNet-34', '21.28', '26.70', '8.58', from_mmpretrain,
        'resnet34_8xb32_in1k'),
    Row('ResNet-50', '25.56', '23.85', '7.13', from_mmpretrain,
        'resnet50_8xb32_in1k'),
    Row('MobileNet-V3 small', '2.9', '32.6', '13.6', from_mmpretrain,
        'mobilenet-v3-small_8xb128_in1k'),
    Row('CondConv-EfficientNet', '13.3', '22.8', '-', from_timm,
        'tf_efficientnet_cc_b0_4e'),
    Row('CondConv-ResNet-50', '-', '22.3', '-'),
    Row('DY-MobileNetV3 small', '4.8', '29.7', '11.3'),
    Row('Ad-ResNet-s', '3.85', '28.81', '9.62', from_config,
        'ad-resnet-s_8xb32_in1k.py'),
    Row('Ad-ResNet-m', '9.83', '25.81', '7.92', from_config,
        'ad-resnet-m_8xb32_in1k.py'),
    Row('Ad-ResNet-l', '18.19', '23.22', '6.74', from_config,
        'ad-resnet-l_8xb32_in1k.py'),
    Row('Ad-ResNet-s, 3x3 twin', '-', '-', '-', from_config,
        'ad-resnet-s-conv_8xb32_in1k.py'),
    Row('Ad-ResNet-m, 3x3 twin', '-', '-', '-', from_config,
        'ad-resnet-m-conv_8xb32_in1k.py'),
    Row('Ad-ResNet-l, 3x3 twin', '-', '-', '-', from_config,
        'ad-resnet-l-conv_8xb32_in1k.py'),
)


def count(row: Row) -> Optional[int]:
    """Parameters of a row's model; None if it cannot be built here."""
    model = row.build(row.name) if row.build else None
    if model is None:
        return None
    return sum(p.numel() for p in model.parameters())


def format_table() -> str:
    """Table 2 in Markdown.

    Raises:
        ImportError: If mmpretrain is not installed.
    """
    try:
        import mmpretrain  # noqa: F401
    except ImportError as error:
        raise ImportError('Table 2 counts models of mmpretrain: '
                          'pip install mmpretrain') from error
    lines = [
        '| Method | Parameters, counted (M) | Parameters, paper (M) '
        '| Top-1 error, paper (%) | Top-5 error, paper (%) |',
        '|---|---|---|---|---|'
    ]
    for row in progress(ROWS, 'counting'):
        counted = count(row)
        ours = '-' if counted is None else f'{counted / 1e6:.2f}'
        lines.append(f'| {row.method} | {ours} | {row.paper} | {row.top1} | '
                     f'{row.top5} |')
    return '\n'.join(lines)


def report(args: Namespace) -> None:
    """Print the table."""
    print(format_table())


def main() -> None:
    run_command(CommandParser(__doc__), report)


if __name__ == '__main__':
    main()
