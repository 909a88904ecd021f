"""Names of results: no two the same, and never that of an input."""
import os
import os.path as osp
from itertools import count
from typing import Iterable, Iterator, List, Optional, Sequence, Set

from .files import Path, check_output_folder


def result_paths(folder: Path,
                 names: Sequence[Optional[str]],
                 inputs: Iterable[Path] = ()) -> List[str]:
    """Paths of results in a folder, before any of them is computed.

    Where a name is that of another result or leads to an input, a number is
    added, '_1' the first that is free; the same call gives the same paths.
    What earlier calls have written under these names will be replaced, but
    for results without a name.

    Args:
        folder (str | PathLike): Where the results go; is not created.
        names (Sequence[str | None]): File name of each result, such as
            'photo.jpg'; an ending alone, such as '.jpg', for a result of
            something without a name, which becomes 'image_<n>.jpg' with the
            first numbers that no file in the folder has.
        inputs (Iterable[str | PathLike]): Files that must not be replaced.

    Returns:
        list[str]: A path for each name.

    Raises:
        OSError: If the folder, or one on its way, is a file or does not let
            itself be written to.
    """
    check_output_folder(folder)
    identities = {_identity(path) for path in inputs}
    used: Set[str] = set()
    paths = []
    for index, name in enumerate(names):
        nameless = name.startswith('.') and '.' not in name[1:]
        for candidate in _candidates(name, index, nameless):
            path = osp.join(os.fspath(folder), candidate)
            # Some file systems take A and a for the same.
            taken = path.lower() in used or _identity(path) in identities or (
                nameless and osp.exists(path))
            if not taken:
                break
        used.add(path.lower())
        paths.append(path)
    return paths


def _candidates(name: str, index: int, nameless: bool) -> Iterator[str]:
    if nameless:
        yield from (f'image_{n}{name}' for n in count(index))
    stem, ending = osp.splitext(name)
    yield name
    yield from (f'{stem}_{n}{ending}' for n in count(1))


def _identity(path: Path) -> tuple:
    """The same for all paths of one file."""
    try:
        found = os.stat(path)
        return found.st_dev, found.st_ino
    except OSError:
        return (osp.realpath(os.fspath(path)), )
