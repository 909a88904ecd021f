"""A checkpoint hook for trainings that are killed and resumed."""
import os
import os.path as osp
import re
from glob import escape, glob
from typing import Any, Dict, List, Optional

import mmengine.fileio
from mmengine.dist import barrier, is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner

from .files import PART, is_whole
from .fit import check_fit


class RemoveLater:
    """A file backend whose removals wait for :meth:`flush`."""

    def __init__(self, backend: Any):
        self._backend = backend
        self._waiting: List[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._waiting.append(path)

    rmtree = remove

    def flush(self, keep: set) -> None:
        """Remove what waits, but for what was written anew."""
        for path in set(self._waiting) - keep:
            if self._backend.isfile(path):
                self._backend.remove(path)
            elif self._backend.isdir(path):
                self._backend.rmtree(path)
        self._waiting.clear()


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """MMEngine's CheckpointHook, at no moment without a whole checkpoint.

    Local files are written by :class:`WholeFileBackend` (MMEngine's
    FlexibleRunner writes them by its own). Outdated checkpoints are removed
    after their successor is written, not before. A resume without a file name
    starts from the newest whole checkpoint, also where ``last_checkpoint`` is
    missing or names a file that is not whole. A checkpoint that does not fit
    the model cannot be resumed; a test or fine-tuning goes on with a warning,
    see :func:`check_fit`.

    Args:
        *args: Arguments of :class:`mmengine.hooks.CheckpointHook`.
        strict (bool): Refuse a checkpoint that does not fit in a test or
            fine-tuning too. Default: False.
        **kwargs: Arguments of :class:`mmengine.hooks.CheckpointHook`.

    Example:
        >>> default_hooks = dict(
        ...     checkpoint=dict(type='WholeCheckpointHook', interval=1))
    """

    file_backend: Any
    backend_args: Optional[dict]

    def __init__(self, *args: Any, strict: bool = False, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.strict = strict

    def before_run(self, runner: Any) -> None:
        """Let ``last_checkpoint`` name the newest whole checkpoint.

        Raises:
            ValueError: If it names one that is not whole, and none is.
        """
        if runner._resume is True and runner._load_from is None:
            if is_main_process():
                self._find_newest(runner)
            barrier()

    def _find_newest(self, runner: Any) -> None:
        folder = runner.work_dir
        if self.out_dir is not None:  # as in before_train
            name = osp.basename(folder.rstrip(osp.sep))
            folder = osp.join(self.out_dir, name)
        marker = osp.join(runner.work_dir, 'last_checkpoint')
        named, marked = '', 0.
        if osp.isfile(marker):
            with open(marker) as file:
                named = file.read().strip()
            marked = osp.getmtime(marker)
        if '://' in f'{folder} {named}':
            return
        intact = is_whole(named)
        found = self._whole_checkpoints(folder)
        if intact:
            # What was written after it: a kill came in between.
            reached = self._step(named) or 0
            found = {
                step: path
                for step, path in found.items()
                if step > reached and osp.getmtime(path) > marked
            }
        if found:
            newest = found[max(found)]
            runner.logger.warning(
                f'{marker} names {named or "nothing"}, but the newest whole '
                f'checkpoint is {newest}')
            mmengine.fileio.put(newest.encode(), marker)
        elif named and not intact:
            raise ValueError(
                f'{marker} names {named}, which is missing or truncated, and '
                f'{folder} holds no other checkpoint. Remove {marker} to '
                'start anew')

    def _whole_checkpoints(self, folder: str) -> Dict[int, str]:
        """Files of this hook that were written to their end, by step."""
        found = {}
        for path in glob(osp.join(escape(folder), '*')):
            step = self._step(path)
            if step is not None and is_whole(path):
                found[step] = path
        return found

    def _step(self, path: str) -> Optional[int]:
        """The epoch or iteration in the name of a checkpoint."""
        parts = re.split(r'\{[^}]*\}', self.filename_tmpl)
        pattern = r'(\d+)'.join(re.escape(part) for part in parts)
        match = re.fullmatch(pattern, osp.basename(path))
        return int(match[1]) if match else None

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Tell of a checkpoint that does not fit the model, or refuse it.

        Raises:
            ValueError: If it does not fit and is resumed, or ``strict``.
        """
        if not isinstance(runner, Runner):
            return  # strategies have checks of their own
        # A training builds its loop before it loads.
        purpose = 'test'
        if isinstance(runner._train_loop, BaseLoop):
            purpose = 'resume' if runner._resume else 'train'
        try:
            check_fit(runner.model, checkpoint, purpose)
        except ValueError as error:
            if self.strict or purpose == 'resume':
                raise
            runner.logger.warning(
                f'{error}. These keep their initial values; '
                'default_hooks.checkpoint.strict=True refuses them')

    def before_train(self, runner: Any) -> None:
        """Also remove what a kill left of files that were being written."""
        folders = f'{runner.work_dir} {self.out_dir}'
        if not (self.backend_args or self.file_client_args
                or '://' in folders):
            self.backend_args = dict(backend='whole')
        super().before_train(runner)
        self.file_backend = RemoveLater(self.file_backend)
        if is_main_process() and '://' not in str(self.out_dir):
            for path in glob(osp.join(escape(self.out_dir), f'.*{PART}')):
                os.remove(path)

    def _save_checkpoint_with_step(self, runner: Any, step: int,
                                   meta: dict) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        self._remove_outdated()

    def after_val_epoch(self, runner: Any, metrics: dict) -> None:
        """Save the best checkpoint, then remove the one before."""
        super().after_val_epoch(runner, metrics)
        if hasattr(self, 'file_backend'):  # absent outside of a training
            self._remove_outdated()

    def _remove_outdated(self) -> None:
        best = getattr(self, 'best_ckpt_path_dict', {}).values()
        self.file_backend.flush(
            {self.last_ckpt,
             getattr(self, 'best_ckpt_path', None), *best})
