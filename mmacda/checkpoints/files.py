"""Files written whole, and checkpoint files read with clear errors."""
import os
import os.path as osp
import re
import zipfile
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Optional, Union

import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import CheckpointLoader
from mmengine.utils import mkdir_or_exist

# `.<name>.<process>.part` is a file that is being written.
PART = '.part'
PICKLE = b'\x80'


@register_backend('local', force=True, prefixes='')
class WholeFileBackend(LocalBackend):
    """MMEngine's local backend, but a file is there whole or not at all.

    MMEngine 0.10 writes a checkpoint into its final file: a kill or a full
    disk leaves a part of it under the name that the next resume opens.
    """

    def put(self, obj: bytes, filepath: Union[str, Path]) -> None:
        """Write bytes under a temporary name, flush them, rename the file.

        Args:
            obj (bytes): Content.
            filepath (str | Path): File to create or to replace.

        Raises:
            OSError: If it cannot be written; an earlier file is untouched.
        """
        path = osp.realpath(filepath)
        if osp.exists(path) and not osp.isfile(path):
            super().put(obj, path)  # a device or a pipe
            return
        folder, name = osp.split(path)
        mkdir_or_exist(folder)
        temporary = osp.join(folder, f'.{name}.{os.getpid()}{PART}')
        try:
            with open(temporary, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            with suppress(OSError):
                os.remove(temporary)
            raise OSError(
                error.errno,
                f'{error.strerror}: {path} ({len(obj) / 2**20:.1f} MB) was '
                'not written; what was there before is untouched') from error


def is_whole(path: str) -> bool:
    """Whether a checkpoint was written to its end.

    The directory of PyTorch's archive stands at its end. Sharded checkpoints
    are folders, which are taken as whole.
    """
    return osp.isdir(path) or _is_archive(path, if_damaged=False)


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> dict:
    """MMEngine's loader of local files, which names the file and its fault.

    Args:
        filename (str): Checkpoint file.
        map_location (Any): As in :func:`torch.load`. Default: None.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated or no checkpoint.
        pickle.UnpicklingError: If it holds code or classes that the safe
            loader (torch >= 2.6) does not know. Nothing of it was executed.
    """
    path = osp.expanduser(filename)
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path} can not be found.')
    try:
        checkpoint = torch.load(path, map_location=map_location)
    except Exception as error:
        fault = _find_fault(path, error)
        if fault is None:
            raise
        raise fault from None
    if not isinstance(checkpoint, dict):
        raise ValueError(f'{path} is not a checkpoint: it holds a '
                         f'{type(checkpoint).__name__}, not a dict')
    return checkpoint


def _find_fault(path: str, error: Exception) -> Optional[Exception]:
    """What is wrong with a file that could not be loaded, if it is that."""
    size = osp.getsize(path)
    with open(path, 'rb') as file:
        start = file.read(16)
    archive = _is_archive(path, if_damaged=True)
    if not start or (start.startswith(b'PK') and not archive) \
            or isinstance(error, EOFError) or 'truncated' in str(error):
        return ValueError(
            f'{path} is not a checkpoint: it is truncated, its {size} bytes '
            'are only the beginning of one. Take an earlier one')
    refused = re.search(r'GLOBAL ([\w.]+)|function <?([^>\n]*)', str(error))
    if isinstance(error, UnpicklingError) and refused:
        name = refused[1] or refused[2]
        return UnpicklingError(
            f'{path} is refused: it calls {name}, which weights do not need. '
            'Nothing of it was executed. If it is a class that you trust, '
            f'allow it: torch.serialization.add_safe_globals([{name}])')
    reason = f'it starts with {start!r}'
    if archive:
        reason = _find_damage(path)
        if not reason and 'PytorchStreamReader' in str(error):
            reason = 'it is damaged'
    elif start.startswith(PICKLE):
        # Of the older format, or another pickle.
        reason = '' if isinstance(error, RuntimeError) else 'but a pickle'
    return ValueError(f'{path} is not a checkpoint of PyTorch: {reason}') \
        if reason else None


def _is_archive(path: str, if_damaged: bool) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # instead of an answer, for some damages
        return if_damaged


def _find_damage(path: str) -> str:
    """What is wrong with an archive, if anything."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged, names = archive.testzip(), archive.namelist()
    except Exception as error:  # whatever unzipping damaged bytes raises
        return f'it is damaged, {error}'
    if damaged:
        return f'it is damaged, the checksum of {damaged} is wrong'
    files = {osp.basename(name) for name in names}
    if 'constants.pkl' in files:
        return 'it is an archive of TorchScript'
    return '' if 'data.pkl' in files else f'it holds {", ".join(names[:3])}'
