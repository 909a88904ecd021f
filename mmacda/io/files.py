"""The one writer of whole files: a file is there complete, or not at all."""
import errno
import os
import os.path as osp
import shutil
import stat
from contextlib import contextmanager, suppress
from secrets import token_hex
from typing import IO, Any, Iterable, Iterator, Optional, Union

Path = Union[str, 'os.PathLike[str]']
# `.<process>-<random>.part<ending>` is a file that is being written.
PART = '.part'
# Of writing itself, where Python does not say which file it was.
DEVICE_ERRORS = (errno.ENOSPC, errno.EFBIG, errno.EIO,
                 getattr(errno, 'EDQUOT', errno.ENOSPC))


@contextmanager
def whole_file(path: Path, mode: str = 'wb',
               **options: Any) -> Iterator[IO[Any]]:
    """Open a file that takes its name when the block ends without an error.

    Missing folders are made. Until the end, and if the block is left by an
    error or Ctrl-C, what was at ``path`` before stays as it is, and nothing
    else is left behind. Permission bits are those of :func:`open`; a link is
    followed; a device or a pipe is written directly.

    Args:
        path (str | PathLike): File to create or to replace.
        mode (str): 'w' or 'wb'. Default: 'wb'.
        **options: Of :func:`open`. ``encoding`` of text is UTF-8 by default.

    Yields:
        The open file.

    Raises:
        OSError: If it cannot be written, such as IsADirectoryError or
            PermissionError, with the name ``path``.
        ValueError: If the mode is another one.

    Example:
        >>> with whole_file('results/metrics.json', 'w') as file:
        ...     json.dump(metrics, file)
    """
    if mode not in ('w', 'wb'):
        raise ValueError(f"mode must be 'w' or 'wb', but got {mode!r}")
    if mode == 'w':
        options.setdefault('encoding', 'utf-8')
    with whole_path(path) as temporary, open(
            temporary, mode, **options) as file:
        yield file


@contextmanager
def whole_path(path: Path) -> Iterator[str]:
    """A temporary path that becomes ``path`` when the block ends.

    For writers that want a name, not an open file. Otherwise as
    :func:`whole_file`.

    Args:
        path (str | PathLike): File to create or to replace.

    Yields:
        str: Path in the same folder with the same ending, to write to.

    Raises:
        OSError: If it cannot be written, or the block has written nothing.
    """
    target = osp.realpath(os.fspath(path))
    with _named_errors(path, None):
        _refuse_folder(path)
        _existing_folder(osp.dirname(target))
        os.makedirs(osp.dirname(target), exist_ok=True)
    if osp.exists(target) and not osp.isfile(target):
        yield target  # a device or a pipe
        return
    ending = osp.splitext(target)[1]
    temporary = osp.join(
        osp.dirname(target), f'.{os.getpid()}-{token_hex(4)}{PART}{ending}')
    try:
        with _named_errors(path, temporary):
            yield temporary
            if not osp.exists(temporary):
                raise OSError(f'{path} was not written')
            with open(temporary, 'rb+') as file:
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):  # as open() keeps them
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            os.replace(temporary, target)
    finally:
        with suppress(OSError):
            os.remove(temporary)


@contextmanager
def whole_folder(path: Path) -> Iterator[str]:
    """A temporary folder that becomes ``path`` when the block ends.

    If another process was faster, its folder stays and this one is removed,
    as it is if the block is left by an error or Ctrl-C.

    Args:
        path (str | PathLike): Folder to create, in a folder that is made
            where it is missing.

    Yields:
        str: Folder beside it to write to.

    Raises:
        OSError: If it cannot be written.
    """
    target = osp.realpath(os.fspath(path))
    draft = osp.join(
        osp.dirname(target), f'.{os.getpid()}-{token_hex(4)}{PART}')
    try:
        with _named_errors(path, draft):
            os.makedirs(draft)
            yield draft
            try:
                os.rename(draft, target)
            except OSError:
                if not osp.isdir(target):
                    raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_output(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse a file that could not be written, before anything is computed.

    Nothing is created.

    Args:
        path (str | PathLike): File that is to be written.
        inputs (Iterable[str | PathLike]): Files that must not be replaced.

    Raises:
        OSError: If it is a folder, or a folder on its way is a file or does
            not let itself be written to.
        ValueError: If it is one of the inputs.
    """
    with _named_errors(path, None):
        _refuse_folder(path)
        if osp.exists(path) and not osp.isfile(path):
            return
        _check_folder(osp.dirname(osp.realpath(os.fspath(path))))
    for source in inputs:
        if is_same_file(path, source):
            raise ValueError(f'{path} is an input, which is never replaced: '
                             'choose another name or folder')


def check_output_folder(path: Path) -> None:
    """Refuse a folder in which nothing could be written.

    Nothing is created.

    Raises:
        OSError: If it, or a folder on its way, is a file or does not let
            itself be written to.
    """
    with _named_errors(path, None):
        _check_folder(osp.realpath(os.fspath(path)))


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by links or case too."""
    try:
        return osp.samefile(one, other)
    except OSError:  # one of them does not exist
        return osp.realpath(os.fspath(one)) == osp.realpath(os.fspath(other))


def _existing_folder(folder: str) -> str:
    """The nearest one on the way that there is."""
    while not osp.lexists(folder):
        folder = osp.dirname(folder)
    if not osp.isdir(folder):
        raise NotADirectoryError(errno.ENOTDIR, f'{folder} is not a folder')
    return folder


def _check_folder(folder: str) -> None:
    folder = _existing_folder(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES, f'the folder {folder} may not be written to')


def _refuse_folder(path: Path) -> None:
    text = os.fspath(path)
    separators = tuple(s for s in (os.sep, os.altsep) if s)
    if not text or text.endswith(separators) or osp.isdir(text):
        raise IsADirectoryError(errno.EISDIR, 'it is a folder, not a file')


@contextmanager
def _named_errors(path: Path, temporary: Optional[str]) -> Iterator[None]:
    """Errors of writing say the file's name, not the temporary one."""
    try:
        yield
    except OSError as error:
        ours = temporary is None or error.filename == temporary or (
            error.filename is None and error.errno in DEVICE_ERRORS)
        if not ours or not error.strerror:
            raise
        named = type(error)(f'{path} cannot be written: {error.strerror}')
        named.errno = error.errno
        raise named from error
