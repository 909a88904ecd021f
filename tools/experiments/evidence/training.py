"""One training of an experiment: resumable, with a record at its end."""
import copy
import os.path as osp
import time
from typing import Any, Dict, List, Optional

import mmengine.fileio
import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, DefaultScope

from mmacda.apis.complexity import count_model
from mmacda.apis.load_model import build_model
from mmacda.apis.terminal import ExperimentRunner
from tools.experiments import records

from .catalogue import Experiment, Row

ROOT = osp.abspath(osp.join(osp.dirname(__file__), *['..'] * 3))
LENGTHS = ('max_epochs', 'max_iters', 'val_interval')
SCHEDULE = ('T_max', 'begin', 'end', 'milestones', 'step_size', 'total_steps')
POINTS = 100  # of a curve


class Effort(Hook):
    """Adds up wall-clock and processor seconds, over interruptions too."""

    priority = 'NORMAL'  # before the checkpoint is written

    def before_train(self, runner: Any) -> None:
        info = runner.message_hub.runtime_info
        self.before = (info.get('evidence_seconds', 0.),
                       info.get('evidence_cpu_seconds', 0.))
        self.start = time.time(), time.process_time()
        validate_the_checkpoint(runner)

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        now = time.time(), time.process_time()
        spent = [b + n - s for b, n, s in zip(self.before, now, self.start)]
        runner.message_hub.update_info('evidence_seconds', spent[0])
        runner.message_hub.update_info('evidence_cpu_seconds', spent[1])


def validate_the_checkpoint(runner: Any) -> None:
    """Make up for the validation that an interrupted training has lost.

    A checkpoint is written before the validation of its epoch or iteration,
    and so remembers all but this one: the curve would lack a point.
    """
    loop = runner.train_loop
    by_epoch = 'max_epochs' in runner.cfg.train_cfg
    done, end = (loop.epoch, loop.max_epochs) if by_epoch else (
        loop.iter, loop.max_iters)
    if done and runner.val_loop is not None and done >= loop.val_begin and (
            done % loop.val_interval == 0 or done == end):
        runner.val_loop.run()


def scale_schedule(cfg: Config, budget: float) -> None:
    """Make a training ``budget`` times as long, its schedule with it."""

    def scaled(value):
        if isinstance(value, (list, tuple)):
            return [scaled(v) for v in value]
        return value if value == 0 else max(1, round(value * budget))

    for key in LENGTHS[:2]:
        if cfg.train_cfg.get(key) is not None:
            cfg.train_cfg[key] = scaled(cfg.train_cfg[key])
            length = cfg.train_cfg[key]
    schedulers = cfg.get('param_scheduler') or []
    for scheduler in (schedulers if isinstance(schedulers, list) else
                      [schedulers]):
        for key in SCHEDULE:
            if scheduler.get(key) is not None:
                scheduler[key] = scaled(scheduler[key])
    for entry, key in ((cfg.train_cfg, 'val_interval'),
                       (cfg.default_hooks.checkpoint, 'interval')):
        entry[key] = min(max(1, round(entry.get(key, 1) * min(1, budget))),
                         length)


def prepare(row: Row, seed: int, budget: float, work_dir: str,
            overrides: Optional[dict] = None) -> Config:
    """The config of one training."""
    cfg = Config.fromfile(osp.join(ROOT, 'configs', row.config))
    # Merging writes into what it is given.
    cfg.merge_from_dict(copy.deepcopy({**row.overrides, **(overrides or {})}))
    if budget != 1:
        scale_schedule(cfg, budget)
    cfg.default_hooks.checkpoint.update(
        save_best=None, max_keep_ckpts=1)  # the last weights are tested
    cfg.randomness = dict(seed=seed)
    cfg.work_dir, cfg.resume = work_dir, True
    cfg.experiment_name = f'{osp.basename(work_dir)}_{time.time_ns()}'
    return cfg


def write_data(cfg: Config) -> None:
    """Write data sets that are written on first use: once, not by several."""
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        for name in ('train_dataloader', 'test_dataloader'):
            DATASETS.build(cfg[name].dataset)


def train(experiment: Experiment, row: Row, seed: int, budget: float,
          work_dir: str, overrides: Optional[dict] = None) -> dict:
    """Train and test; go on where an earlier call was killed.

    Returns:
        dict: The record, see :mod:`tools.experiments.records`.
    """
    cfg = prepare(row, seed, budget, work_dir, overrides)
    check_folder(work_dir, records.digest(cfg))
    runner = ExperimentRunner.from_cfg(cfg)
    runner.register_hook(Effort())
    runner.train()
    hub = runner.message_hub
    # Read before the test, which may load the last checkpoint: it was written
    # before the last validation.
    known = dict(
        curves=read_curves(experiment, hub),
        seconds=round(hub.get_info('evidence_seconds'), 1),
        cpu_seconds=round(hub.get_info('evidence_cpu_seconds'), 1))
    runner.test()
    metrics = {  # the loops of some frameworks return none
        name.partition('/')[2]: values.current()
        for name, values in hub.log_scalars.items()
        if name.startswith('test/') and not name.endswith('time')
    }
    counts = count_model(build_model(Config(cfg.to_dict())), experiment.shape)
    return make_record(
        experiment,
        row,
        seed,
        budget,
        cfg,
        metrics,
        overrides={**row.overrides, **(overrides or {})},
        parameters=counts.params,
        flops=counts.flops,
        **known)


def make_record(experiment: Experiment, row: Row, seed: int, budget: float,
                cfg: Config, metrics: dict, **known: Any) -> dict:
    """A record; what is not known of it, as of a baseline, is nothing."""
    return dict(
        experiment=experiment.name,
        row=row.name,
        config=f'configs/{row.config}',
        overrides=known.get('overrides', {}),
        budget=budget,
        seed=seed,
        digest=records.digest(cfg),
        metrics={name: float(value) for name, value in metrics.items()},
        curves=known.get('curves', {}),
        parameters=known.get('parameters', 0),
        flops=known.get('flops', 0),
        seconds=known.get('seconds', 0.),
        cpu_seconds=known.get('cpu_seconds', 0.),
        **records.circumstances())


def check_folder(work_dir: str, fingerprint: str) -> None:
    """Refuse to go on with a training of another config.

    Raises:
        ValueError: If the folder holds one.
    """
    path = osp.join(work_dir, 'digest')
    if osp.exists(path):
        with open(path, encoding='utf-8') as file:
            if file.read() != fingerprint:
                raise ValueError(f'{work_dir} holds a training of another '
                                 'config: remove it or choose another --out')
    mmengine.fileio.put(fingerprint.encode(), path)


def read_curves(experiment: Experiment, hub: Any) -> Dict[str, List[list]]:
    """Loss and validation figures over the training: [[step, value], ...]."""
    names = ['train/loss', *(f'val/{metric.curve}'
                             for metric in experiment.metrics.values()
                             if metric.curve)]
    curves = {}
    for name in names:
        if name in hub.log_scalars:
            values = np.asarray(hub.get_scalar(name).data[0], float)
            parts = np.array_split(
                np.arange(1, len(values) + 1), min(POINTS, len(values)))
            curves[name] = [[int(part[-1]),
                             float(f'{values[part - 1].mean():.5g}')]
                            for part in parts if len(part)]
    return curves
