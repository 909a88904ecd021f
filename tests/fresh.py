"""Python's commands as a new process runs them, without its slow imports.

Importing PyTorch, MMEngine, mmcv and mmpretrain takes four seconds, often more
than what a test then runs. These commands run in forks of a process that has
imported them, and nothing of mmacda: to it they look like ``python ...``.
"""
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOREIGN = ['torch.distributed', 'torch.utils.data', 'mmengine.runner',
           'mmcv.cnn', 'mmcv.ops', 'mmpretrain.apis', 'mmpretrain.datasets',
           'torchvision', 'matplotlib.figure', 'setuptools',
           'matplotlib.backends.backend_agg', 'sklearn.datasets']
SERVER = multiprocessing.get_context('forkserver')


class Process:
    """What has been started; as subprocess.Popen, with files for pipes.

    Args:
        arguments: What follows ``python -W ignore``: a script, ``-m`` and a
            module, or ``-c`` and code; then the command's own arguments.
        cwd: Its folder.
        variables: Of the environment, beside those of this process.
        path: First folder of ``sys.path``, in place of the repository.
    """

    def __init__(self, *arguments, cwd=None, path=ROOT, **variables):
        SERVER.set_forkserver_preload(FOREIGN)  # of the first one
        self.folder = tempfile.TemporaryDirectory()
        self.outputs = [Path(self.folder.name) / n for n in ('out', 'err')]
        self.process = SERVER.Process(
            target=_command, args=(
                [str(argument) for argument in arguments],
                str(cwd or os.getcwd()), str(path),
                {**os.environ, **variables}, self.outputs))
        self.process.start()
        self.args = arguments

    def poll(self):
        return self.process.exitcode

    @property
    def text(self):
        """What it printed so far, here and there."""
        return ''.join(self.read())

    def read(self):
        return [path.read_text(encoding='utf-8') if path.exists() else ''
                for path in self.outputs]

    def kill(self):
        self.process.kill()
        self.process.join()

    def wait(self, timeout=600):
        """Exit code.

        Raises:
            subprocess.TimeoutExpired: With what it printed until then.
        """
        self.process.join(timeout)
        if self.process.exitcode is None:
            self.kill()
            raise subprocess.TimeoutExpired(self.args, timeout, *self.read())
        return self.process.exitcode


def run(*arguments, timeout=600, **options):
    """Run a command to its end; as subprocess.run with its text captured."""
    process = Process(*arguments, **options)
    code = process.wait(timeout)
    return subprocess.CompletedProcess(arguments, code, *process.read())


def run_together(codes, timeout=180):
    """Run lines of Python in processes that need each other, as ranks do.

    Raises:
        AssertionError: If one fails or takes too long; all are ended then.
    """
    processes = [Process('-c', code) for code in codes]
    end = time.monotonic() + timeout
    try:
        for process in processes:
            process.process.join(max(0, end - time.monotonic()))
        ends = [process.poll() for process in processes]
        assert ends == [0] * len(processes), \
            f'ended with {ends} (None: after {timeout} s):\n' + ''.join(
                process.text for process in processes)
    finally:
        for process in processes:
            process.kill()


def _command(arguments, cwd, path, environment, outputs):
    for number, output in enumerate(outputs, 1):
        with open(output, 'wb', buffering=0) as file:
            os.dup2(file.fileno(), number)
    sys.stdout, sys.stderr = (
        os.fdopen(number, 'w', closefd=False, encoding='utf-8')
        for number in (1, 2))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        _as_main(arguments, path)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(
            stop.code is not None)
        if code and not isinstance(stop.code, int):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = 120
        os._exit(code)


def _as_main(arguments, path):
    import torch
    if 'OMP_NUM_THREADS' in os.environ:
        torch.set_num_threads(int(os.environ['OMP_NUM_THREADS']))
    warnings.simplefilter('ignore')
    sys.path[:] = [path] + [p for p in sys.path if p not in ('', str(ROOT))]
    kind, *rest = arguments
    if kind == '-c':
        sys.argv = ['-c', *rest[1:]]
        exec(compile(rest[0], '<string>', 'exec'), {'__name__': '__main__'})
    elif kind == '-m':
        sys.argv = rest
        runpy.run_module(rest[0], run_name='__main__', alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(kind).parent))
        runpy.run_path(kind, run_name='__main__')
