"""Time and memory against H * W and against C, with a plot."""
from typing import Dict, Sequence

import torch

from mmacda.testing.cases import Case
from mmacda.testing.large_cases import paper_layer

from . import goals
from .peak_memory import measure_operator
from .common import Report, time_interleaved
from .contestants import (CHOSEN, CONVS, UNFOLD, check, make_contestant)

SECTION = 'growth'
GIB = 2**30
SIDES = (32, 64, 128, 256, 1024)
CHANNELS = (16, 64, 256, 512)
NAMES = (CHOSEN, UNFOLD, *CONVS)
LARGEST_UNFOLD_SIDE = 256  # 3 GiB forward and backward at 64 channels
AXES = {'H*W': 'pixels of the map, H x W', 'C': 'channels, C'}
LABELS = {CHOSEN: 'ACDA 7x7', UNFOLD: 'unfold + einsum'}


def run(report: Report,
        rounds: int,
        device: str,
        dtype: torch.dtype,
        sides: Sequence[int] = SIDES,
        channels: Sequence[int] = CHANNELS,
        width: int = 64) -> None:
    """Measure both axes, judge the growth with H * W and draw it."""
    axes = {
        'H*W': {
            n * n: paper_layer(1, width, n)
            for n in sides
        },
        'C': {
            c: paper_layer(1, c, width)
            for c in channels
        }
    }
    figures = {
        axis: {
            at: _measure(report, case, rounds, device, dtype)
            for at, case in cases.items()
        }
        for axis, cases in axes.items()
    }
    if max(sides) == max(SIDES):
        _judge(report, figures['H*W'], axes['H*W'])
    try:
        path = plot(figures, report)
        print(f'plot: {path}')
    except ImportError as error:
        print(f'no plot: {error}; run `pip install matplotlib`')


def _measure(report: Report, case: Case, rounds: int, device: str,
             dtype: torch.dtype) -> Dict[str, Dict[str, float]]:
    names = [
        n for n in NAMES if n != UNFOLD or case.size[0] <= LARGEST_UNFOLD_SIDE
    ]
    memory = {
        name: measure_operator(case, name, True, device, dtype)
        for name in names
    }
    operands = case.operands(dtype, device)
    if UNFOLD in names:
        check(case, operands, [CHOSEN])
    contestants = {
        name: make_contestant(name, case, operands).train
        for name in names
    }
    times = time_interleaved(contestants, rounds, device)
    report.add_times(SECTION, str(case), 'forward+backward', times)
    for name in names:
        for key in ('extra', 'peak'):
            report.add(SECTION, str(case), f'{key} memory', name, '',
                       *[memory[name][key] / GIB] * 3, 'GiB')
    return {
        name:
        dict(
            seconds=sorted(times[name])[len(times[name]) // 2],
            **{k: memory[name][k]
               for k in ('extra', 'peak')})
        for name in names
    }


def _judge(report: Report, figures: dict, cases: dict) -> None:
    """Linear in H * W: the largest map against the one before."""
    *_, before, last = sorted(figures)
    for key in ('seconds', 'extra'):
        grown = figures[last][CHOSEN][key] / max(1e-9,
                                                 figures[before][CHOSEN][key])
        report.add(SECTION, str(cases[last]), f'growth of {key}/pixel', CHOSEN,
                   '', *[grown * before / last] * 3, 'x', goals.GROWTH)
    report.add(SECTION, str(cases[last]), 'peak of the process', CHOSEN, '',
               *[figures[last][CHOSEN]['peak'] / GIB] * 3, 'GiB',
               goals.LARGEST_GIB)


def plot(figures: dict, report: Report):
    """Draw time and memory over both axes; returns the picture's path."""
    from mmacda.visualization.figures import new_figure, save_figure
    from mmacda.visualization.look import one_look
    kind = '' if report.dtype == 'float32' else f'-{report.dtype}'
    path = report.folder / f'{SECTION}-{report.device}{kind}.png'
    with one_look():
        figure = new_figure(8.2, 5.8)
        _draw_all(figure, figures, report)
        save_figure(figure, str(path), 110)
    return path


def _draw_all(figure, figures: dict, report: Report) -> None:
    axes = figure.subplots(2, len(figures))
    for column, (axis, points) in enumerate(figures.items()):
        for row, (key, scale, label) in enumerate(
            (('seconds', 1e3, 'forward and backward, in ms'),
             ('extra', 2**-20, 'extra memory, in MiB'))):
            _draw(axes[row][column], points, key, scale)
            axes[row][column].set(xlabel=AXES[axis], ylabel=label)
    axes[0][0].legend()
    run = report.environment
    figure.suptitle(
        f'{run["device"]}, {run["threads"]} threads, '
        f'torch {run["torch"]}')


def _draw(axes, points: dict, key: str, scale: float) -> None:
    from mmacda.visualization.look import MARKERS
    for name, marker in zip(NAMES, MARKERS):
        at = [x for x in sorted(points) if name in points[x]]
        axes.plot(
            at, [scale * points[x][name][key] for x in at],
            f'{marker}-',
            label=LABELS.get(name, f'{name[:-1]} {name[-1]}x{name[-1]}'))
    axes.set(xscale='log', yscale='log')
    axes.set_xticks(sorted(points), [f'{x:,}' for x in sorted(points)])
    axes.minorticks_off()
    axes.grid()
