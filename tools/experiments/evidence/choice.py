"""Which trainings there are to do, in which order, and their names."""
import os.path as osp
from argparse import Namespace
from fnmatch import fnmatchcase
from typing import Dict, Iterator, List, NamedTuple, Tuple

from tools.experiments import records

from .catalogue import EXPERIMENTS, Experiment, Row
from .training import prepare


def missing_data(experiment: Experiment) -> List[str]:
    """What is not there, and how to get it."""
    paths: Dict[str, List[str]] = {}
    for path, advice in experiment.data.items():
        if not osp.exists(path):
            paths.setdefault(advice, []).append(path)
    return [f'{" and ".join(missing)} {"are" if missing[1:] else "is"} '
            f'missing: {advice}' for advice, missing in paths.items()]


def order(experiments: List[Experiment], seeds: int,
          depth: int) -> Iterator[Tuple[Experiment, Row, int]]:
    """Trainings, so that there are soon pairs of the most telling rows."""
    for number in range(depth + 1):
        for experiment in experiments:
            for seed in range(seeds):
                for row in experiment.rows:
                    if row.order == number and not (row.baseline and seed):
                        yield experiment, row, seed


def stem(experiment: Experiment, row: Row, seed: int, budget: float) -> str:
    """Name of the record and of the work folder."""
    config = row.baseline or osp.splitext(osp.basename(row.config))[0]
    config += f'-{row.tag}' if row.tag else ''
    return f'{experiment.name}_{config}_budget{budget:g}_seed{seed}'


def check_patterns(args: Namespace) -> None:
    """Refuse patterns that no training of the chosen experiments has.

    Raises:
        ValueError: If there are such.
    """
    names = [stem(experiment, row, seed, args.budget)
             for experiment, row, seed in order(
                 [EXPERIMENTS[name] for name in args.experiment],
                 args.seeds, args.depth)]
    for pattern in args.only:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f'--only {pattern}: no training has such a name; '
                             f'one is {names[0]}')


def check_against(args: Namespace) -> None:
    """Refuse a row to compare with that a chosen experiment lacks.

    Raises:
        ValueError: If one lacks it.
    """
    for name in args.experiment if args.against else ():
        rows = [row.name for row in EXPERIMENTS[name].rows if not row.baseline]
        if args.against not in rows:
            raise ValueError(f'--against {args.against}: {name} has the rows '
                             f'{", ".join(map(repr, rows))}')


class Training(NamedTuple):
    """One that has no record yet."""

    experiment: Experiment
    row: Row
    seed: int
    name: str
    path: str  # of its record


def pending(experiments: List[Experiment],
            args: Namespace) -> Iterator[Training]:
    """What has no record yet.

    Raises:
        ValueError: If a record is of another config.
    """
    for experiment, row, seed in order(
            experiments, args.seeds, args.depth):
        name = stem(experiment, row, seed, args.budget)
        if not any(fnmatchcase(name, pattern) for pattern in args.only):
            continue
        path = osp.join(args.records, f'{name}.json')
        if osp.exists(path):
            cfg = prepare(row, seed, args.budget, name, args.cfg_options)
            if records.read_record(path)['digest'] != records.digest(cfg):
                raise ValueError(f'{path} is the record of another config: '
                                 'remove it or choose other --records')
            continue
        yield Training(experiment, row, seed, name, path)
