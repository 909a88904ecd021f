"""Functions in forks of this process, which see what a test has patched.

What may follow a backward pass is no case for them: its threads do not survive
a fork; see fresh.py.
"""
import os
import sys
import tempfile
import time
import traceback
from multiprocessing import get_context
from pathlib import Path

import cv2
import torch


def run_forks(function, folder, environments=({}, ), timeout=180):
    """Call a function in forks of this process at once; what they printed.

    Args:
        function: Without arguments.
        folder: Where they run.
        environments: Variables of each fork.
        timeout: Seconds for all of them; what runs longer is killed.

    Raises:
        AssertionError: If one fails or takes too long.
    """
    context, end = get_context('fork'), time.monotonic() + timeout
    with tempfile.TemporaryDirectory() as kept:
        logs = [Path(kept, f'{rank}.txt') for rank in range(len(environments))]
        children = [
            context.Process(target=_child,
                            args=(function, folder, log, variables))
            for log, variables in zip(logs, environments)
        ]
        for child in children:
            child.start()
        for child in children:
            child.join(max(0, end - time.monotonic()))
        codes = [child.exitcode for child in children]
        for child in children:
            child.kill()
            child.join()
        said = ''.join(log.read_text(encoding='utf-8') if log.exists() else ''
                       for log in logs)
    assert not any(code != 0 for code in codes), \
        f'ended with {codes} (None: after {timeout} s):\n{said[-4000:]}'
    return said


def _child(function, folder, log, variables):
    with open(log, 'w', encoding='utf-8') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # pytest's capture would keep them otherwise.
    sys.stdout, sys.stderr = (
        os.fdopen(descriptor, 'w', closefd=False,
            encoding='utf-8') for descriptor in (1, 2))
    os.chdir(folder)
    os.environ.update(variables, CUDA_VISIBLE_DEVICES='')
    torch.set_num_threads(1)
    cv2.setNumThreads(0)  # its threads do not survive the fork
    code = 1
    try:
        function()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
