"""What tools/train.py and tools/test.py have in common."""
import os
import os.path as osp
from argparse import ArgumentParser, Namespace

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import CheckpointHook
from mmengine.registry import DATASETS, HOOKS, RUNNERS
from mmengine.runner import Runner

from mmacda.checkpoints import WholeCheckpointHook
from mmacda.datasets import CrowdDataset
from mmacda.registry_types import is_subtype, is_type

from .command_line import UsageError, add_cfg_options, output_folder
from .read_config import read_config
from .terminal import ToolRunner

# What MMEngine's launchers read the process's device from.
DEVICE_VARIABLES = dict(
    pytorch='LOCAL_RANK',
    slurm='SLURM_LOCALID',
    mpi='OMPI_COMM_WORLD_LOCAL_RANK')
LAUNCHERS = ('none', *DEVICE_VARIABLES)


def add_common_arguments(parser: ArgumentParser) -> None:
    """Add the options of both commands, with mmpretrain's names."""
    parser.add_argument(
        '--work-dir',
        type=output_folder,
        help='folder of logs and results; default: work_dir of the config, '
        'else work_dirs/<config name>')
    parser.add_argument(
        '--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument(
        '--no-pin-memory',
        action='store_true',
        help='do not pin memory in the data loaders')
    add_cfg_options(parser)
    parser.add_argument(
        '--skip-bad-files',
        action='store_true',
        help='leave out images and annotations of crowd datasets that cannot '
        'be used, list and count them, and go on')
    parser.add_argument(
        '--strict',
        action='store_true',
        help='refuse a checkpoint of another model; without it, only one that '
        'is resumed is refused, and there is a warning for others')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')
    # torchrun exports LOCAL_RANK; torch.distributed.launch passes it.
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0)


def load_config(args: Namespace) -> Config:
    """The config named on the command line, under the common options.

    Overrides by ``--cfg-options`` have the last word and therefore stay with
    the caller, see :func:`build_runner`.

    Raises:
        ConfigError: If the config cannot be read.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        name = osp.splitext(osp.basename(args.config))[0]
        cfg.work_dir = osp.join('work_dirs', name)
    if args.strict:
        refuse_other_models(cfg)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loaders = cfg.get(key)
        for loader in loaders if isinstance(loaders, list) else [loaders]:
            if loader is not None:
                _set_loader_defaults(loader, cfg, not args.no_pin_memory)
                if args.skip_bad_files:
                    _skip_bad_files(loader['dataset'])
    return cfg


def refuse_other_models(cfg: Config) -> None:
    """Let the checkpoint hook of a config refuse what does not fit.

    Raises:
        UsageError: If the config has a checkpoint hook of another kind.
    """
    hooks = dict(cfg.get('default_hooks') or {})
    hook = hooks.get('checkpoint', dict(interval=1))
    if hook is None:  # a run that saves nothing
        hook = dict(interval=-1, save_last=False)
    if not any(
            is_type(hook, HOOKS, kind, default=CheckpointHook)
            for kind in (CheckpointHook, WholeCheckpointHook)):
        raise UsageError('--strict needs a WholeCheckpointHook, but '
                         f'default_hooks.checkpoint is of type {hook["type"]}')
    hooks['checkpoint'] = dict(hook, type='WholeCheckpointHook', strict=True)
    cfg.default_hooks = hooks


def _skip_bad_files(dataset) -> None:
    """Switch it on in every crowd dataset, inside wrappers too."""
    for inner in (dataset.get('dataset'), *dataset.get('datasets', ())):
        if inner is not None:
            _skip_bad_files(inner)
    if is_subtype(dataset, DATASETS, CrowdDataset):
        dataset['skip_bad_files'] = True


def _set_loader_defaults(loader, cfg: Config, pin_memory: bool) -> None:
    loader.setdefault('persistent_workers', loader.get('num_workers', 0) > 0)
    if not pin_memory:
        loader['pin_memory'] = False
    loader.setdefault('pin_memory', torch.cuda.is_available())
    # mmpretrain's configs count on its tools to stack samples in the workers;
    # other frameworks expect MMEngine's default, lists.
    if cfg.get('default_scope') == 'mmpretrain':
        loader.setdefault('collate_fn', dict(type='default_collate'))


def build_runner(cfg: Config, args: Namespace) -> Runner:
    """Runner of a config, whichever framework it belongs to.

    Raises:
        UsageError: If the config has no model, or its folder is a file.
    """
    read_config(cfg, args.cfg_options)
    if 'model' not in cfg and 'runner_type' not in cfg:
        raise UsageError(f'{args.config} has no model')
    if osp.exists(cfg.work_dir) and not osp.isdir(cfg.work_dir):
        raise UsageError(f'work_dir {cfg.work_dir} is not a folder')
    if cfg.launcher != 'none' and get_device() == 'cpu':
        _launch_on_cpus(cfg)
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return ToolRunner.from_cfg(cfg)


def _launch_on_cpus(cfg: Config) -> None:
    """Let MMEngine's launchers work without a GPU, over gloo.

    They call ``torch.cuda.set_device``, which does nothing for a negative
    number, and hand that device to the model's wrapper unless told none.
    A ``strategy`` names its device itself.
    """
    os.environ[DEVICE_VARIABLES[cfg.launcher]] = '-1'
    os.environ['LOCAL_RANK'] = '-1'
    cfg.merge_from_dict({'env_cfg.dist_cfg.backend': 'gloo'})
    if 'strategy' in cfg:
        return
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel',
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False))
    cfg.model_wrapper_cfg.setdefault('device_ids', None)
