"""Tables and curves of an experiment, from its records alone."""
from typing import Dict, Iterable, List, Optional

import numpy as np
from rich.table import Table

from mmacda.visualization.figures import (SCREEN_DPI, draw_curves,
                                          save_figure)

from .catalogue import Experiment, Metric


def by_row(experiment: Experiment,
           found: List[dict]) -> Dict[str, Dict[int, dict]]:
    """Records of one budget: name of the row -> seed -> record."""
    rows: Dict[str, Dict[int, dict]] = {}
    for row in experiment.rows:
        seeds = {r['seed']: r for r in found if r['row'] == row.name}
        if seeds:
            rows[row.name] = dict(sorted(seeds.items()))
    return rows


def spread(values: np.ndarray, digits: int) -> str:
    """Mean and sample standard deviation."""
    text = f'{values.mean():.{digits}f}'
    return text if len(values) < 2 else \
        f'{text} ± {values.std(ddof=1):.{digits}f}'


def paired(values: np.ndarray, twin: np.ndarray, digits: int) -> str:
    """Mean difference over pairs, and its 95 % interval by Student's t."""
    differences = values - twin
    mean = differences.mean()
    text = f'{mean:+.{digits}f}'
    if len(differences) < 2:
        return text
    from scipy.stats import t
    half = t.ppf(0.975, len(differences) - 1) * differences.std(
        ddof=1) / len(differences)**0.5
    return f'{text} ({mean - half:+.{digits}f} to {mean + half:+.{digits}f})'


def read(metric: Metric, record: dict) -> float:
    """The figure of a record.

    Raises:
        ValueError: If the record has none.
    """
    try:
        return metric.read(record['metrics'])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f'the record of {record["row"]}, budget {record["budget"]:g}, '
            f'seed {record["seed"]} has no such figure, remove it to train '
            f'anew: {error}') from error


def number(seeds: Iterable[dict]) -> str:
    """Of the trainings, and of those that were not on a CPU."""
    devices = [record['device'].upper() for record in seeds]
    counts = {d: devices.count(d) for d in sorted(set(devices))}
    on_others = ', '.join(f'{count} on {device}'
                          for device, count in counts.items()
                          if device != 'CPU')
    total = sum(counts.values())
    if not on_others:
        return str(total)
    return f'{total} ({on_others})' if 'CPU' in counts else on_others


def make_table(experiment: Experiment, found: List[dict], budget: float,
               against: Optional[str] = None) -> Table:
    """Every row with mean, spread, cost and the paired comparison.

    Args:
        experiment (Experiment): Which one.
        found (List[dict]): Its records of one budget.
        budget (float): That one.
        against (str, optional): Row that the others are compared with.
            Default: None, the twin, which is the first.
    """
    rows = by_row(experiment, found)
    table = Table(title=f'{experiment.title}; budget {budget:g}')
    for column in ('network', 'seeds'):
        table.add_column(column)
    for name in experiment.metrics:
        for column in (name, f'minus {against or "the twin"} (95 %)'):
            table.add_column(column, justify='right')
    size = '{1} x {2}'.format(*experiment.shape)
    for column in ('parameters', f'FLOPs at {size}', 'processor s'):
        table.add_column(column, justify='right')
    twin = rows.get(against or experiment.rows[0].name, {})
    baselines = {row.name for row in experiment.rows if row.baseline}
    for name, seeds in rows.items():
        plain = name in baselines
        cells = [name, '' if plain else number(seeds.values())]
        shared = [seed for seed in seeds if seed in twin]
        for metric in experiment.metrics.values():
            values = np.array(
                [read(metric, record) for record in seeds.values()])
            cells.append(spread(values, metric.digits))
            if plain or seeds is twin or not shared:
                cells.append('')
                continue
            pair = (np.array([read(metric, group[seed]) for seed in shared])
                    for group in (seeds, twin))
            cells.append(paired(*pair, metric.digits))
        if plain:
            table.add_row(*cells, '', '', '')
            continue
        first = next(iter(seeds.values()))
        seconds = [r['cpu_seconds'] for r in seeds.values()
                   if r['device'] == 'cpu']
        cells += [
            f'{first["parameters"]:,}', f'{first["flops"] / 1e6:,.1f} M',
            f'{np.mean(seconds):,.0f}' if seconds else ''
        ]
        table.add_row(*cells)
    return table


def markdown(table: Table) -> str:
    """A table as the documentation has it."""
    headers = [str(column.header) for column in table.columns]
    cells = zip(*(list(column.cells) for column in table.columns))
    lines = [headers, ['---'] * len(headers), *cells]
    return '\n'.join(f'| {" | ".join(map(str, line))} |' for line in lines)


def read_curves(experiment: Experiment, found: List[dict],
                scalar: str) -> Dict[str, np.ndarray]:
    """Values of a scalar over the trainings: row -> (seeds, steps)."""
    curves = {}
    for row, seeds in by_row(experiment, found).items():
        lines = [[value for _, value in record['curves'].get(scalar, ())]
                 for record in seeds.values()]
        length = min(map(len, lines))  # none of a baseline
        if length:
            curves[row] = np.array([line[:length] for line in lines])
    return curves


def draw(experiment: Experiment, found: List[dict], path: str) -> bool:
    """Draw the validations of the first metric, if there are any.

    Where there are fewer than three, the loss of the training is drawn.
    """
    name, metric = next(iter(experiment.metrics.items()))
    curves = read_curves(experiment, found, f'val/{metric.curve}')
    curves = {
        row: np.vectorize(lambda v: metric.read({metric.curve: v}))(values)
        for row, values in curves.items()
    }
    step = 'validation'
    if not curves or min(c.shape[1] for c in curves.values()) < 3:
        curves = read_curves(experiment, found, 'train/loss')
        name, step = 'loss of the training', 'percent of the training'
    if curves:
        save_figure(draw_curves(curves, step, name, experiment.title), path,
                    SCREEN_DPI)
    return bool(curves)
