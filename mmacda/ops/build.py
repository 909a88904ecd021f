"""Finds the native backend's library, or compiles it.

A library that the wheel brings serves where it fits the CPU: no compiler, no
wait. Otherwise, in a checkout as well, the C sources are compiled at first use
into the user's cache folder; so they are with ``MMACDA_NATIVE=compile``, for
exactly this CPU. ``python -m mmacda.ops.build`` does it ahead of the first use
and says which one serves and why.
"""
import argparse
import hashlib
import logging
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import torch

from .compiler import (FLAGS, LIBRARIES, BuildError, compile_library,
                       describe_cpu, find_compiler, run)
from .prebuilt import SOURCES, Found, digest_sources, find_prebuilt

ENVIRONMENT_VARIABLE, COMPILE = 'MMACDA_NATIVE', 'compile'
MODE = 0o755  # whatever the umask: others may share the cache
SELF_TEST_TOLERANCE = 1e-5  # float32

logger = logging.getLogger('mmacda')


def cache_folder() -> Path:
    """``mmacda`` under ``XDG_CACHE_HOME``, or else under ``~/.cache``.

    Raises:
        BuildError: If there is no home folder.
    """
    given = os.environ.get('XDG_CACHE_HOME', '')
    try:  # the standard says that a relative path counts for nothing
        root = Path(given) if os.path.isabs(given) else Path.home() / '.cache'
    except RuntimeError as error:
        raise BuildError(f'no cache folder: {error}') from None
    return root / 'mmacda'


def _library_key(compiler: Sequence[str]) -> str:
    """Differs for other sources, another compiler and another CPU."""
    key = hashlib.sha256(digest_sources().encode())
    for text in (*compiler, *FLAGS, *LIBRARIES,
                 run([*compiler, '--version']), describe_cpu()):
        key.update(text.encode() + b'\0')
    return key.hexdigest()[:24]


def _library_path(folder: Path, key: str, content: bytes) -> Path:
    # The digest is part of the name: no moment shows one without the other.
    return folder / f'native-{key}-{hashlib.sha256(content).hexdigest()}.so'


def find_library(folder: Path, key: str) -> Optional[Path]:
    """The compiled library, if it is there and whole.

    A library that was cut short must never be loaded: the process would die
    where it touches the missing part.
    """
    for path in sorted(folder.glob(f'native-{key}-*.so')):
        try:
            if path == _library_path(folder, key, path.read_bytes()):
                return path
            fault = 'is damaged'
        except OSError as error:
            fault = f'cannot be read ({error.strerror})'
        logger.warning('the compiled library %s %s', path, fault)
    return None


def choose_prebuilt() -> Found:
    """The wheel's library, unless it is to be compiled."""
    word = os.environ.get(ENVIRONMENT_VARIABLE, '').strip().lower()
    if word == COMPILE:
        return Found(None, f'{ENVIRONMENT_VARIABLE}={COMPILE} passes it by')
    return find_prebuilt()


def build() -> Tuple[Path, List[str]]:
    """Path of the library; compiles it where there is none.

    Any number of processes may call this at once: each compiles to a name of
    its own and then renames it.

    Returns:
        Tuple[Path, List[str]]: The file, and the command that compiled it
        (empty if the file was already there, or came with the wheel).

    Raises:
        BuildError: If there is no compiler, it fails, or the cache folder
            cannot be written.
    """
    prebuilt = choose_prebuilt().path
    if prebuilt is not None:
        return prebuilt, []
    compiler = find_compiler()
    key, folder = _library_key(compiler), cache_folder()
    path = find_library(folder, key)
    if path is not None:
        return path, []
    try:
        return _build(compiler, key, folder)
    except OSError as error:
        raise BuildError(f'cannot write to the cache: {error}') from None


def _build(compiler: Sequence[str], key: str,
           folder: Path) -> Tuple[Path, List[str]]:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(MODE)
    handle, temporary = tempfile.mkstemp(
        prefix=f'native-{key}', suffix='.tmp', dir=folder)
    os.close(handle)
    try:
        logger.warning(
            'compiling the C kernels once into %s (takes 2 to 12 s)', folder)
        command = compile_library(compiler, SOURCES / 'native.c', temporary)
        path = _library_path(folder, key, Path(temporary).read_bytes())
        os.chmod(temporary, MODE)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return path, command


def self_test() -> float:
    """Largest error of the native backend, relative to the reference.

    Over the output and the gradients of a small case with stride 2.
    """
    from . import adaptive_conv2d, fourier_bessel_bases
    generator = torch.Generator().manual_seed(0)
    shapes = (2, 17, 15, 21), (2, 6, 18, 8, 11), (9, 17 * 6, 1, 1)
    tensors = [
        torch.randn(shape, generator=generator).requires_grad_()
        for shape in shapes
    ]
    bases = fourier_bessel_bases().float()
    results = []
    for backend in ('native', 'reference'):
        output = adaptive_conv2d(
            tensors[0], tensors[1], bases, tensors[2], None, 2, 3,
            backend=backend)
        grads = torch.autograd.grad(output.square().sum(), tensors)
        results.append([output, *grads])
    return max(((ours - theirs).abs().max() / theirs.abs().max()).item()
               for ours, theirs in zip(*results))


def main() -> int:
    """Build, test against the reference, and print what was found."""
    found = choose_prebuilt()
    print('prebuilt: ', f'serves: {found.why}; {ENVIRONMENT_VARIABLE}='
          f'{COMPILE} compiles for this CPU instead' if found.path else
          f'does not serve: {found.why}')
    try:
        if found.path is None:
            print('compiler: ', shlex.join(find_compiler()))
        path, command = build()
    except BuildError as error:
        print('not built:', error)
        return 1
    if found.path is None:
        print('command:  ',
              shlex.join(command) or 'none, it was built before')
    print('library:  ', path)
    try:
        deviation = self_test()
    except ValueError as error:
        print('not used: ', error)
        return 1
    passed = deviation < SELF_TEST_TOLERANCE
    print(f'self test: {"passed" if passed else "FAILED"}, largest relative '
          f'error to the reference {deviation:.1e}')
    return 0 if passed else 1


if __name__ == '__main__':
    argparse.ArgumentParser(
        'python -m mmacda.ops.build', description=main.__doc__).parse_args()
    sys.exit(main())
