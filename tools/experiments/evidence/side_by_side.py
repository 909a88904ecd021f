"""Several trainings at once, each in a process of its own."""
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from glob import escape
from typing import List, Sequence

MODULE = 'tools.experiments.evidence'


def train_side_by_side(names: Sequence[str], jobs: int,
                       arguments: Sequence[str], folder: str) -> None:
    """Call this package's command once for every training.

    Args:
        names (Sequence[str]): Of the trainings.
        jobs (int): How many at a time, at least 1.
        arguments (Sequence[str]): Of the command, for all of them.
        folder (str): Where the command is called.

    Raises:
        RuntimeError: If some fail; all others are trained before.
    """
    running: List[subprocess.Popen] = []
    stopped = threading.Event()

    def train(name: str) -> int:
        if stopped.is_set():
            return 0
        process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m', MODULE, *arguments,
             '--only', escape(name)],
            cwd=folder,
            env=dict(os.environ, PYTHONUNBUFFERED='1'))
        running.append(process)
        return process.wait()

    with ThreadPoolExecutor(jobs) as pool:
        try:
            codes = list(pool.map(train, names))
        except BaseException:  # Ctrl-C, which the processes may not have got
            stopped.set()
            for process in running:
                process.terminate()
            raise
    tell_failed([name for name, code in zip(names, codes) if code], len(names))


def tell_failed(failed: Sequence[str], total: int) -> None:
    """Name the trainings that failed, if there are any.

    Raises:
        RuntimeError: If there are.
    """
    if failed:
        raise RuntimeError(f'{len(failed)} of {total} trainings failed: '
                           f'{", ".join(failed)}. What they said is above; '
                           'the others have their records')
