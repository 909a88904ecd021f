"""A checkpoint made small: weights alone, most of them in half precision."""
import hashlib
import os.path as osp

import torch

from mmacda.apis.packaged_models import FOLDER
from mmacda.checkpoints import load_checkpoint
from mmacda.io import whole_path

LIMIT = 2**20  # bytes


def halve(state: dict) -> dict:
    """Half precision for all but what batch norms know of their inputs.

    Their variances may be smaller than half precision holds.
    """
    return {
        name: tensor.half() if tensor.ndim > 1 else tensor
        for name, tensor in state.items()
    }


def pack(name: str, work_dirs: str) -> None:
    """Put the last checkpoint of a model's training into the package.

    Raises:
        FileNotFoundError: If there is no training of the model.
        ValueError: If its weights are too large.
    """
    folder = osp.join(work_dirs, name)
    mark = osp.join(folder, 'last_checkpoint')
    if not osp.isfile(mark):
        raise FileNotFoundError(
            f'{folder} holds no training: python tools/train.py '
            f'configs/packaged/{name}.py')
    with open(mark, encoding='utf-8') as file:
        trained = osp.join(folder, osp.basename(file.read().strip()))
    state = halve(load_checkpoint(trained)['state_dict'])
    path = FOLDER / f'{name}.pth'
    with whole_path(path) as temporary:
        with open(temporary, 'wb') as file:  # or the name would be inside
            torch.save(dict(state_dict=state), file)
        if osp.getsize(temporary) >= LIMIT:
            raise ValueError(f'{trained} has {osp.getsize(temporary)} bytes '
                             f'in half precision, more than {LIMIT}')


def describe(name: str) -> str:
    """The file of a packaged model, as its card says it."""
    content = (FOLDER / f'{name}.pth').read_bytes()
    state = load_checkpoint(str(FOLDER / f'{name}.pth'))['state_dict']
    numbers = sum(tensor.numel() for tensor in state.values())
    return (f'`{name}.pth`: {numbers:,} numbers, {len(content):,} bytes, '
            f'SHA-256 `{hashlib.sha256(content).hexdigest()}`')
