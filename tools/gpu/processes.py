"""Processes that have a limit, and that are ended alone."""
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

# A process that hangs in a driver may not die; nobody waits for it.
SECONDS_TO_DIE = 5


def run_limited(commands: Sequence[Sequence[str]],
                seconds: float,
                log: Path,
                cwd: Path,
                environment: Mapping[str, str]) -> List[Optional[int]]:
    """Run commands at the same time; none outlives the limit or this call.

    Args:
        commands (Sequence): Each a program with its arguments.
        seconds (float): After which all that still run are killed, with
            what they started.
        log (Path): The file that their output is added to.
        cwd (Path): Their working folder.
        environment (Mapping): Their variables.

    Returns:
        list: Exit codes; None for those that were killed.
    """
    end = time.monotonic() + seconds
    processes: List[subprocess.Popen] = []
    with open(log, 'ab') as file:
        try:
            for command in commands:
                processes.append(
                    subprocess.Popen(
                        command,
                        cwd=cwd,
                        env=dict(environment),
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                        start_new_session=True))
            return [_wait(p, end - time.monotonic()) for p in processes]
        finally:  # Ctrl-C too
            for process in processes:
                _end(process)


def _wait(process: subprocess.Popen, seconds: float) -> Optional[int]:
    try:
        return process.wait(max(0., seconds))
    except subprocess.TimeoutExpired:
        return None


def _end(process: subprocess.Popen) -> None:
    """Kill what is left of the process's group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # nothing, or dead ones
        pass
    _wait(process, SECONDS_TO_DIE)
