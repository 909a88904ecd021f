"""What the terminal shows of a training; its log file has all of it."""
import logging
import os.path as osp
import sys
from typing import Any, Dict, Optional

from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import EpochBasedTrainLoop, Runner

# How these records begin, which MMEngine writes about itself.
UNASKED = (
    # Of its own hooks and of Runner's, at each start.
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias of',
    'Distributed training is not used, all SyncBatchNorm',
    'Hooks will be executed in the following order',
    '\n------------------------------------------------------------\nSystem '
    'environment',
    'Config:\n',
    # Of its counter of operations: pooling and the like, and losses.
    'Unsupported operator aten::',
    'The following submodules of the model were never called during the trace',
)
LINES = 10  # of a training that has no epochs


class Unasked(logging.Filter):
    """Leaves out what no user can act on.

    Args:
        level (int): Other records below it stay out too. Default: all are
            shown.
    """

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__()
        self.level = level

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self.level and not str(
            record.msg).startswith(UNASKED)


class ToolRunner(Runner):
    """MMEngine's, without what it says of itself on the terminal."""

    terminal_level = logging.NOTSET

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(Unasked(self.terminal_level))
        return logger


class EpochLines(Hook):
    """One line on the standard error for each epoch of a training.

    Where iterations are counted, ten lines in all. A line has the mean loss
    since the one before, and what a validation after it found.
    """

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._waiting: Optional[str] = None
        self._since = 0

    def before_train(self, runner: Runner) -> None:
        self._since = runner.iter

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: Any = None, outputs: Any = None) -> None:
        done, total = runner.iter + 1, runner.max_iters
        if not self._by_epoch(runner) and (
                done * LINES // total > (done - 1) * LINES // total):
            self._wait(runner, f'iteration {done} of {total}', done)

    def after_train_epoch(self, runner: Runner) -> None:
        if self._by_epoch(runner):
            self._wait(runner, f'epoch {runner.epoch + 1} of '
                       f'{runner.max_epochs}', runner.iter)

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: Any = None) -> None:
        self._say()

    def after_val_epoch(self, runner: Runner,
                        metrics: Optional[Dict[str, float]] = None) -> None:
        if self._waiting is not None:
            found = ''.join(f', {name} {value:.4g}'
                            for name, value in (metrics or {}).items()
                            if isinstance(value, (int, float)))
            self._waiting += found
        self._say()

    def after_train(self, runner: Runner) -> None:
        self._say()

    @staticmethod
    def _by_epoch(runner: Runner) -> bool:
        return isinstance(runner.train_loop, EpochBasedTrainLoop)

    def _wait(self, runner: Runner, where: str, done: int) -> None:
        self._say()
        losses = runner.message_hub.log_scalars.get('train/loss')
        steps, self._since = max(1, done - self._since), done
        loss = '' if losses is None else f', loss {losses.mean(steps):.4g}'
        self._waiting = f'{osp.basename(runner.work_dir)}: {where}{loss}'

    def _say(self) -> None:
        if self._waiting is not None:
            print(self._waiting, file=sys.stderr, flush=True)
        self._waiting = None


class ExperimentRunner(ToolRunner):
    """A line per epoch and warnings on the terminal, the rest in the log."""

    terminal_level = logging.WARNING

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.rank == 0:
            self.register_hook(EpochLines())
