"""Finds a C compiler and runs it; every fault is one sentence."""
import logging
import os
import platform
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import List, Sequence

FLAGS = ('-O3', '-std=gnu99', '-fPIC', '-shared', '-pthread')
LIBRARIES = ('-lm', )  # behind the source, for linkers that read in order
# Tried in turn: x86, then Arm and Power, then compilers that know neither.
CPU_FLAGS = (('-march=native', ), ('-mcpu=native', ), ())
COMPILE_SECONDS = 300
MESSAGE_LENGTH = 200  # of a compiler's page of messages

logger = logging.getLogger('mmacda')


class BuildError(RuntimeError):
    """The native library cannot be had; the message says why."""


def find_compiler() -> List[str]:
    """Command of the C compiler: ``CC`` if set, else cc, gcc or clang.

    A C++ compiler is told that it reads C.

    Raises:
        BuildError: If there is none.
    """
    value = os.environ.get('CC', '')
    try:
        chosen = shlex.split(value)
    except ValueError as error:
        raise BuildError(f'CC={value!r} is not a command: '
                         f'{str(error).lower()}') from None
    for command in [chosen] if chosen else [['cc'], ['gcc'], ['clang']]:
        path = shutil.which(command[0])
        if path:
            is_cpp = any('++' in os.path.basename(word) for word in command)
            return [path, *command[1:], *(['-x', 'c'] if is_cpp else [])]
    if not chosen:
        raise BuildError('no C compiler (cc, gcc or clang) found')
    fault = 'is a folder' if os.path.isdir(chosen[0]) else 'is not there'
    raise BuildError(f'the C compiler CC={value!r} {fault}')


def run(command: Sequence[str]) -> str:
    """What a command prints.

    Raises:
        BuildError: If it fails, with the line that matters.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMPILE_SECONDS,
            check=True)
    except subprocess.CalledProcessError as error:
        output = error.output.decode(errors='replace')
        logger.debug('%s: %s', ' '.join(command), output)
        raise BuildError(f'{command[0]} failed with status '
                         f'{error.returncode}: {_summary(output)}') from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f'{command[0]} failed: {error}') from None
    return done.stdout.decode(errors='replace')


def _summary(output: str) -> str:
    """The line that tells the error, else the first."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if 'error' in line.lower()]
    return (errors or lines or ['it says nothing'])[0][:MESSAGE_LENGTH]


def describe_cpu() -> str:
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


def compile_library(compiler: Sequence[str],
                    source: Path,
                    target: str,
                    choices: Sequence[Sequence[str]] = CPU_FLAGS
                    ) -> List[str]:
    """Compile ``source`` into the shared library ``target``.

    Args:
        compiler (Sequence[str]): Its command.
        source (Path): The C file.
        target (str): Written to.
        choices (Sequence[Sequence[str]]): Flags for the CPU, tried in turn.

    Returns:
        List[str]: The command that did.

    Raises:
        BuildError: If the compiler fails or writes nothing.
    """
    for attempt, cpu_flags in enumerate(choices, 1):
        command = [
            *compiler, *FLAGS, *cpu_flags, '-o', target,
            str(source), *LIBRARIES
        ]
        try:
            run(command)
            if not os.path.getsize(target):
                raise BuildError(f'{compiler[0]} wrote no library: it is no '
                                 'C compiler')
            return command
        except BuildError as error:
            if attempt == len(choices):
                raise
            logger.debug('%s', error)
    raise AssertionError('unreachable')
