"""Checkpoint files read with clear errors."""
import os.path as osp
import re
import zipfile
from pickle import UnpicklingError
from typing import Any, Optional

from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_local as frameworks_loader

from .files import is_archive
from .safe_loading import training_checkpoints_allowed

PICKLE = b'\x80'
_ADVICE = ('Take a file with weights alone, dict(state_dict=...), as '
           "MMEngine's published_keys=['state_dict'] writes it. If it is a "
           'class that you know and trust, allow it in a module that '
           "custom_imports names: torch.serialization.add_safe_globals([(the "
           "class, 'its full name as above')])")


def load_checkpoint(filename: str, map_location: Any = 'cpu') -> dict:
    """A checkpoint of a file or URL, for our own loaders.

    Needs nothing of :mod:`mmacda.patches`.

    Args:
        filename (str): File, or URL of any scheme that MMEngine knows.
        map_location (Any): As in :func:`torch.load`. Default: 'cpu'.

    Returns:
        dict: The checkpoint.

    Raises:
        Exception: As :func:`load_from_local`; for URLs, MMEngine's.
    """
    if '://' not in filename:
        return load_from_local(filename, map_location)
    with training_checkpoints_allowed():
        return CheckpointLoader.load_checkpoint(
            filename, map_location=map_location, logger='silent')


def load_from_local(filename: str, map_location: Any = None) -> dict:
    """The framework's loader of local files, naming the file and its fault.

    The safe loader reads training checkpoints here, see
    :func:`training_checkpoints_allowed`. Where the framework's loader has a
    second way for what the safe loader refuses, it stays.

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
        with training_checkpoints_allowed():
            checkpoint = frameworks_loader(path, map_location)
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
    archive = is_archive(path, if_damaged=True)
    if not start or (start.startswith(b'PK') and not archive) \
            or isinstance(error, EOFError) or 'truncated' in str(error):
        return ValueError(
            f'{path} is not a checkpoint: it is truncated, its {size} bytes '
            'are only the beginning of one. Take an earlier one')
    name = _refused_name(error)
    if name:
        return UnpicklingError(
            f'{path} is refused: it holds {name}, which weights do not need. '
            f'Nothing of it was executed. {_ADVICE}')
    reason = f'it starts with {start!r}'
    if archive:
        reason = _find_damage(path)
        if not reason and 'PytorchStreamReader' in str(error):
            reason = 'it is damaged'
    elif start.startswith(PICKLE):
        # Of the older format, or another pickle.
        foreign = not isinstance(error, RuntimeError) \
            or 'magic number' in str(error)
        reason = 'but a pickle' if foreign else ''
    return ValueError(f'{path} is not a checkpoint of PyTorch: {reason}') \
        if reason else None


def _refused_name(error: Exception) -> str:
    """What the safe loader did not want to call or build."""
    found = re.search(
        r"GLOBAL ([\w.]+)|got <class '([\w.]+)'>|function <?([^>\n]*)",
        str(error))
    if not isinstance(error, UnpicklingError) or not found:
        return ''
    return next(filter(None, found.groups()), '')


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
