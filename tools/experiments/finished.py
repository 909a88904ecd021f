"""Trainings that are done once: what is finished is kept, the rest goes on.

Every training has a folder. Its record (see :mod:`records`) is written when
it is finished; until then the folder holds the digest of its config, so that
nothing goes on from checkpoints of other settings.
"""
import os
import os.path as osp
import time
from contextlib import suppress
from glob import escape, glob
from typing import Callable, Dict, NamedTuple, Optional, Sequence

from mmengine.config import Config

from mmacda.io import whole_file
from tools.experiments import records

RECORD, DIGEST = 'record.json', 'digest'
OLD = 'old-'  # before the names of checkpoints of other settings


class Training(NamedTuple):
    """What a record says of a training before it has begun.

    Args:
        experiment (str): Name of the experiment.
        row (str): Name of the network in its table.
        config (str): File of the config.
        cfg (Config): The config, complete but for its folder.
        overrides (dict): What it was changed by.
        seed (int): Of the training.
        work_dir (str): Folder of checkpoints, logs and the record.
    """

    experiment: str
    row: str
    config: str
    cfg: Config
    overrides: dict
    seed: int
    work_dir: str


class Outcome(NamedTuple):
    """What a training found out.

    Args:
        metrics (Dict[str, float]): Figures.
        curves (Dict[str, list]): Figures by epoch or iteration.
        parameters (int, optional): Of the network.
        flops (float, optional): Of the network.
    """

    metrics: Dict[str, float]
    curves: Dict[str, list] = {}
    parameters: Optional[int] = None
    flops: Optional[float] = None


def once(training: Training,
         train: Callable[[Config], Outcome],
         fresh: bool = False,
         resume: bool = True,
         keeps: Sequence[str] = ()) -> dict:
    """Train, unless a record says what came out.

    Args:
        training (Training): What to train.
        train (Callable): Takes the config with its folder; called where
            there is no record of these settings.
        fresh (bool): Train whatever there is. Default: False.
        resume (bool): Go on from the last checkpoint of these settings.
            Default: True.
        keeps (Sequence[str]): Files of the folder without which it is not
            finished. Default: ().

    Returns:
        dict: The record.
    """
    digest = records.digest(training.cfg)
    path = osp.join(training.work_dir, RECORD)
    found = None if fresh else _read(path, digest)
    if found is not None:
        missing = [name for name in keeps if not osp.isfile(
            osp.join(training.work_dir, name))]
        if not missing:
            return found
        print(f'{training.work_dir} lacks {", ".join(missing)}: training anew',
              flush=True)
    goes_on = _begin(training.work_dir, digest, fresh)
    start, cpu = time.time(), time.process_time()
    cfg = training.cfg
    cfg.work_dir, cfg.resume = training.work_dir, resume and goes_on
    cfg.experiment_name = \
        f'{osp.basename(training.work_dir)}_{time.time_ns()}'
    outcome = train(cfg)
    record = dict(
        experiment=training.experiment,
        row=training.row,
        config=training.config,
        overrides=training.overrides,
        budget=1,
        seed=training.seed,
        digest=digest,
        metrics=outcome.metrics,
        curves=outcome.curves,
        parameters=outcome.parameters,
        flops=outcome.flops,
        seconds=time.time() - start,
        cpu_seconds=time.process_time() - cpu,
        **records.circumstances())
    records.write_record(path, record)
    return record


def _read(path: str, digest: str) -> Optional[dict]:
    """A record of these settings; otherwise it is said why there is none."""
    if not osp.exists(path):
        return None
    try:
        record = records.read_record(path)
    except (OSError, ValueError) as error:
        print(f'{error}. It is damaged: training anew', flush=True)
        return None
    if record['digest'] != digest:
        print(f'{path} is of other settings: training anew', flush=True)
        return None
    return record


def _begin(work_dir: str, digest: str, fresh: bool) -> bool:
    """Say what is trained here; whether checkpoints of it may be there.

    Checkpoints of other settings get another name: resuming takes the newest
    one of a folder, whatever ``last_checkpoint`` says.
    """
    path, before = osp.join(work_dir, DIGEST), None
    with suppress(FileNotFoundError):
        with open(path, encoding='utf-8') as file:
            before = file.read()
    forgotten, goes_on = [osp.join(work_dir, RECORD)], before == digest
    if fresh or not goes_on:
        goes_on = False
        forgotten.append(osp.join(work_dir, 'last_checkpoint'))
        for pattern in ('epoch_*.pth', 'iter_*.pth'):
            for name in glob(osp.join(escape(work_dir), pattern)):
                os.replace(name,
                           osp.join(work_dir, OLD + osp.basename(name)))
    for name in forgotten:
        with suppress(FileNotFoundError):
            os.remove(name)
    with whole_file(path, 'w') as file:
        file.write(digest)
    return goes_on
