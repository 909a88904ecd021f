"""Compiles the native backend's C sources into the user's cache folder.

``python -m mmacda.ops.build`` does it ahead of the first use and says what it
found.
"""
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List, Tuple

import torch

SOURCES = Path(__file__).parent / 'backends' / 'native' / 'csrc'
FLAGS = ('-O3', '-std=gnu99', '-fPIC', '-shared', '-pthread')
# Tried in turn: x86, then Arm and Power, then compilers that know neither.
CPU_FLAGS = (('-march=native', ), ('-mcpu=native', ), ())
COMPILE_SECONDS = 300
SELF_TEST_TOLERANCE = 1e-5  # float32

logger = logging.getLogger('mmacda')


class BuildError(RuntimeError):
    """The native library cannot be had; the message says why."""


def find_compiler() -> List[str]:
    """Command of the C compiler: ``CC`` if set, else cc, gcc or clang.

    Raises:
        BuildError: If there is none.
    """
    chosen = shlex.split(os.environ.get('CC', ''))
    for command in [chosen] if chosen else [['cc'], ['gcc'], ['clang']]:
        path = shutil.which(command[0])
        if path:
            return [path] + command[1:]
    raise BuildError(f'the C compiler CC={os.environ["CC"]!r} is not there'
                     if chosen else 'no C compiler (cc, gcc or clang) found')


def cache_folder() -> Path:
    """``mmacda`` under ``XDG_CACHE_HOME``, or else under ``~/.cache``.

    Raises:
        BuildError: If there is no home folder.
    """
    root = os.environ.get('XDG_CACHE_HOME')
    try:
        return Path(root or Path.home() / '.cache') / 'mmacda'
    except RuntimeError as error:
        raise BuildError(f'no cache folder: {error}') from None


def _run(command: List[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMPILE_SECONDS,
            check=True)
    except subprocess.CalledProcessError as error:
        output = error.output.decode(errors='replace').strip()
        raise BuildError(f'{command[0]} failed with status '
                         f'{error.returncode}: {output[:500]}') from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f'{command[0]} failed: {error}') from None
    return done.stdout.decode(errors='replace')


def _cpu_description() -> str:
    """Text that differs where ``-march=native`` code may not run."""
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            lines = {
                line.strip()
                for line in file
                if line.lower().startswith(('flags', 'features', 'model name',
                                            'cpu part'))
            }
    except OSError:
        lines = {platform.processor()}
    return '\n'.join([platform.machine(), *sorted(lines)])


def library_path(compiler: List[str]) -> Path:
    """Where the library for these sources, compiler and CPU belongs."""
    key = hashlib.sha256()
    for source in sorted(SOURCES.iterdir()):
        key.update(source.name.encode() + source.read_bytes())
    for text in (*compiler, *FLAGS, _run([*compiler, '--version']),
                 _cpu_description()):
        key.update(text.encode() + b'\0')
    return cache_folder() / f'native-{key.hexdigest()[:24]}.so'


def build() -> Tuple[Path, List[str]]:
    """Path of the compiled library; compiles it where it is missing.

    Any number of processes may call this at once: each compiles to a name of
    its own and then renames it.

    Returns:
        Tuple[Path, List[str]]: The file, and the command that compiled it
        (empty if the file was already there).

    Raises:
        BuildError: If there is no compiler, it fails, or the cache folder
            cannot be written.
    """
    compiler = find_compiler()
    path = library_path(compiler)
    if path.exists():
        return path, []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            prefix=path.stem, suffix='.tmp', dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise BuildError(f'cannot write to the cache: {error}') from None
    try:
        command = _compile(compiler, temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise BuildError(f'cannot write to the cache: {error}') from None
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return path, command


def _compile(compiler: List[str], target: str) -> List[str]:
    for attempt, cpu_flags in enumerate(CPU_FLAGS, 1):
        command = [
            *compiler, *FLAGS, *cpu_flags, '-o', target,
            str(SOURCES / 'native.c')
        ]
        try:
            _run(command)
            return command
        except BuildError as error:
            if attempt == len(CPU_FLAGS):
                raise
            logger.debug('%s', error)
    raise AssertionError('unreachable')


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
    try:
        print('compiler: ', shlex.join(find_compiler()))
        path, command = build()
    except BuildError as error:
        print('not built:', error)
        return 1
    print('command:  ', shlex.join(command) or 'none, it was built before')
    print('library:  ', path)
    deviation = self_test()
    passed = deviation < SELF_TEST_TOLERANCE
    print(f'self test: {"passed" if passed else "FAILED"}, largest relative '
          f'error to the reference {deviation:.1e}')
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(main())
