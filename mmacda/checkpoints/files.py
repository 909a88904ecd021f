"""Files that are there whole or not at all."""
import os
import os.path as osp
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Union

from mmengine.fileio import LocalBackend, register_backend
from mmengine.utils import mkdir_or_exist

# `.<name>.<process>.part` is a file that is being written.
PART = '.part'


@register_backend('whole')
class WholeFileBackend(LocalBackend):
    """MMEngine's local backend, but a file is there whole or not at all.

    MMEngine 0.10 writes a checkpoint into its final file: a kill or a full
    disk leaves a part of it under the name that the next resume opens. The
    name of this one is 'whole', as in ``backend_args=dict(backend='whole')``;
    :func:`mmacda.replacements.write_checkpoints_whole` puts it in the place of
    MMEngine's.
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
        except BaseException as error:
            with suppress(OSError):
                os.remove(temporary)
            if not isinstance(error, OSError):
                raise
            raise OSError(
                error.errno,
                f'{error.strerror}: {path} ({len(obj) / 2**20:.1f} MB) was '
                'not written; what was there before is untouched') from error

    def put_text(self,
                 obj: str,
                 filepath: Union[str, Path],
                 encoding: str = 'utf-8') -> None:
        """As :meth:`put`, for text."""
        self.put(obj.encode(encoding), filepath)


def is_whole(path: str) -> bool:
    """Whether a checkpoint was written to its end.

    The directory of PyTorch's archive stands at its end. Sharded checkpoints
    are folders, which are taken as whole.
    """
    return osp.isdir(path) or is_archive(path, if_damaged=False)


def is_archive(path: str, if_damaged: bool) -> bool:
    """Whether a file is an archive; the given answer if it is damaged."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # instead of an answer, for some damages
        return if_damaged
