"""One small JSON file for every finished training of an experiment.

A record says all that is needed to repeat the training and to print a table
without it: what was trained, with what, for how long, and what came out.
"""
import hashlib
import json
import os.path as osp
import platform
from glob import escape, glob
from typing import Any, Dict, List

import mmengine.fileio
from mmengine.config import Config

# What a record has, and of which kind it is.
NUMBER = (int, float)
COUNT = (int, float, type(None))  # nothing where nobody counted
KINDS: Dict[str, Any] = dict(
    experiment=str,
    row=str,
    config=str,
    overrides=dict,
    budget=NUMBER,
    seed=int,
    digest=str,
    metrics=dict,
    curves=dict,
    parameters=COUNT,
    flops=COUNT,
    seconds=NUMBER,
    cpu_seconds=NUMBER,
    threads=int,
    versions=dict,
    machine=str,
    device=str)
KEYS = tuple(KINDS)
# Of records that were written before it was asked for.
DEFAULTS = dict(device='cpu')


def digest(cfg: Config) -> str:
    """Fingerprint of what a training depends on, its folder left out."""
    cfg = Config(cfg.to_dict())
    for key in ('work_dir', 'experiment_name', 'resume'):
        cfg.pop(key, None)
    return hashlib.sha256(cfg.dump().encode()).hexdigest()[:16]


def versions() -> Dict[str, str]:
    """Versions of Python and of the packages that decide about a figure."""
    from importlib.metadata import PackageNotFoundError, version
    found = dict(python=platform.python_version())
    for name in ('torch', 'mmengine', 'mmcv', 'mmpretrain', 'mmagic',
                 'mmacda'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Model of the processor; of the accelerator where there is one."""
    import torch
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            for line in file:
                if line.startswith('model name'):
                    return line.partition(':')[2].strip()
    except OSError:
        pass
    return platform.machine()


def circumstances() -> Dict[str, Any]:
    """With what a training runs here: the last entries of its record."""
    import torch
    from mmengine.device import get_device
    return dict(
        threads=torch.get_num_threads(),
        versions=versions(),
        machine=processor(),
        device=get_device())


def write_record(path: str, record: dict) -> None:
    """Write a record whole or not at all.

    Args:
        path (str): JSON file to create.
        record (dict): Has all of ``KEYS``.

    Raises:
        ValueError: If a key is missing.
    """
    missing = [key for key in KEYS if key not in record]
    if missing:
        raise ValueError(f'the record of {path} lacks {", ".join(missing)}')
    ordered = {key: record[key] for key in KEYS}
    text = json.dumps(ordered, indent=1)
    mmengine.fileio.put((text + '\n').encode(), path)


def read_record(path: str) -> dict:
    """A record.

    Raises:
        ValueError: If the file is not a whole record.
    """
    try:
        with open(path, encoding='utf-8') as file:
            record = json.load(file)
    except ValueError as error:
        raise ValueError(f'{path} is not a record, remove it to train anew: '
                         f'{error}') from error
    if isinstance(record, dict):
        record = {**DEFAULTS, **record}
    missing = [key for key in KEYS if key not in record] \
        if isinstance(record, dict) else list(KEYS)
    if missing:
        raise ValueError(f'{path} is not a record, it lacks '
                         f'{", ".join(missing)}: remove it to train anew')
    wrong = [key for key, kind in KINDS.items()
             if not isinstance(record[key], kind)]
    if wrong:
        raise ValueError(f'{path} is not a record, its '
                         f'{", ".join(wrong)} cannot be what a training '
                         'writes: remove it to train anew')
    return record


def read_records(folder: str, experiment: str) -> List[dict]:
    """All records of an experiment, by file name."""
    paths = glob(osp.join(escape(folder), f'{experiment}_*.json'))
    records = [read_record(path) for path in sorted(paths)]
    return [r for r in records if r['experiment'] == experiment]
