"""The options that tools/train.py and tools/test.py share."""
from argparse import ArgumentParser

import pytest
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmacda.apis.command_line import UsageError
from mmacda.apis.runner_command import (add_common_arguments, load_config,
                                        refuse_other_models)
from mmacda.checkpoints import WholeCheckpointHook
from tests.crowd_layouts import write_shanghaitech

CONFIG = """
custom_imports = dict(imports=['mmacda'], allow_failed_imports=False)
dataset = dict(type='ShanghaiTech', data_root={root!r})
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        type='RepeatDataset',
        times=2,
        dataset=dict(type='ConcatDataset', datasets=[dataset, dataset])),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_dataloader = dict(batch_size=1, dataset=dict(type='Digits', split='test'))
test_dataloader = dict(
    batch_size=1,
    dataset=dict(type='ShanghaiTech', data_root={root!r}, split='test'),
    sampler=dict(type='DefaultSampler', shuffle=False))
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load a config on ShanghaiTech's layout, one of whose three training
    annotations is missing."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    write_shanghaitech(tmp_path)
    folder = tmp_path / 'part_A_final/train_data/ground_truth'
    (folder / 'GT_IMG_2.mat').unlink()
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(root=str(tmp_path)), encoding='utf-8')
    parser = ArgumentParser()
    parser.add_argument('config')
    add_common_arguments(parser)
    return lambda *options: load_config(
        parser.parse_args([str(config), *options]))


def test_bad_files_are_errors(load):
    with pytest.raises(FileNotFoundError, match='GT_IMG_2.mat is missing'):
        Runner.build_dataloader(load().train_dataloader, seed=0)


def test_skip_bad_files_reaches_crowd_datasets_inside_wrappers(load):
    cfg = load('--skip-bad-files')
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    assert len(loader.dataset) == 2 * 2 * 2
    bad_files = loader.dataset.dataset.datasets[0].bad_files
    assert [path[-9:] for path, _ in bad_files] == ['IMG_2.jpg']
    assert len(Runner.build_dataloader(cfg.test_dataloader, seed=0)) == 3
    assert 'skip_bad_files' not in cfg.val_dataloader.dataset


@pytest.mark.parametrize('hook', [
    None,
    dict(type='CheckpointHook', interval=3),
    dict(type='mmengine.CheckpointHook', interval=3),
    dict(type=CheckpointHook, interval=3),
    dict(type='WholeCheckpointHook', interval=3),
])
def test_strict_reaches_the_checkpoint_hook(hook):
    cfg = Config(dict(default_hooks=dict(checkpoint=hook)))
    refuse_other_models(cfg)
    built = HOOKS.build(cfg.default_hooks.checkpoint)
    assert type(built) is WholeCheckpointHook and built.strict
    assert (built.interval, built.save_last) == (
        (-1, False) if hook is None else (3, True))


def test_strict_without_any_hook(load):
    assert 'default_hooks' not in load()
    cfg = load('--strict')
    built = HOOKS.build(cfg.default_hooks.checkpoint)
    assert built.strict and built.interval == 1  # the Runner's own interval


def test_strict_names_a_hook_of_another_kind():
    cfg = Config(dict(default_hooks=dict(checkpoint=dict(type='EMAHook'))))
    with pytest.raises(UsageError, match='--strict needs .* type EMAHook'):
        refuse_other_models(cfg)
