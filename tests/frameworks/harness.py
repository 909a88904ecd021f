"""Runs the frameworks' own tools, as their users do."""
import os
import re
import runpy
import sys
from pathlib import Path

from tests.forks import run_forks
from tests.frameworks.frameworks import FRAMEWORKS, LOADERS

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 1800  # seconds; of a machine that has much else to do


class Runs:
    """Trainings of one framework on one small set of data.

    A tool runs in a fork of this process, which has imported the framework
    before: importing takes longer than two iterations.

    Args:
        name (str): Key of ``FRAMEWORKS``.
        folder (Path): For data and work folders.
    """

    def __init__(self, name, folder):
        self.framework = FRAMEWORKS[name]
        self.folder = folder
        self.image = self.framework.write(folder / 'data')
        self.finished = {}

    def options(self, epochs):
        """For --cfg-options: the data written here, and few iterations."""
        return {
            'default_hooks.logger.interval': 1,
            'randomness.seed': 0,
            'env_cfg.dist_cfg.backend': 'gloo',
            'optim_wrapper.optimizer.lr': 1e-4,
            **{f'{loader}.{key}': value for loader in LOADERS
               for key, value in dict(num_workers=0, batch_size=2,
                                      persistent_workers=False).items()},
            **self.framework.options(self.folder / 'data'),
            **self.framework.length(epochs)
        }

    def config(self, name, extra=''):
        """A user's config on top of ours: no downloads, and what is added."""
        stem = name.replace('/', '-')
        path = self.folder / f'{stem}{"-more" if extra else ""}.py'
        path.write_text(f"_base_ = '{ROOT / 'configs' / name}.py'\n"
                        f'{self.framework.own}\n{extra}\n', encoding='utf-8')
        return path

    def saved_config(self, name):
        """The config that a training wrote into its work folder."""
        work_dir, _ = self.train(name)
        path, = work_dir.glob('*.py')
        return str(path)

    def run(self, tool, config, *arguments, epochs=1, options=None,
            processes=1):
        """Run a tool to its end.

        Returns:
            str: What it printed.

        Raises:
            AssertionError: If it fails, with the end of what it printed.
        """
        given = {**self.options(epochs), **(options or {})}
        return run_tool([
            self.framework.tools / f'{tool}.py', config, *arguments,
            '--cfg-options', *(f'{k}={v}' for k, v in given.items())
        ], self.folder, processes)

    def train(self, name):
        """The work folder of a training of two iterations, once."""
        if name not in self.finished:
            work_dir = self.folder / name.replace('/', '-')
            self.finished[name] = None
            log = self.run('train', self.config(name), '--work-dir', work_dir)
            self.finished[name] = (work_dir, log)
        assert self.finished[name], 'its training failed'
        return self.finished[name]

    def checkpoint(self, name):
        return self.train(name)[0] / self.framework.checkpoint(1)


def run_tool(argv, folder, processes=1):
    """Run a tool as __main__ in forks of this process, one per rank."""
    path, *arguments = map(str, argv)
    if processes > 1:
        arguments += ['--launcher', 'pytorch']
    port = str(20000 + os.getpid() % 20000)

    def tool():
        sys.argv = [path, *arguments]
        try:
            runpy.run_path(path, run_name='__main__')
        except SystemExit as stop:
            assert not stop.code, stop.code

    environments = [
        # -1: MMEngine asks for a GPU of any other number.
        dict(RANK=str(rank), LOCAL_RANK='-1', WORLD_SIZE=str(processes),
             MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
        if processes > 1 else {} for rank in range(processes)]
    return run_forks(tool, folder, environments, timeout=TIMEOUT)


def losses(log):
    """The losses that were logged, one per iteration."""
    return [float(x) for x in re.findall(r'\bloss: (-?[\d.]+|nan|inf)', log)]
