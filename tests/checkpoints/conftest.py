"""What the tests of checkpoints share."""
import os
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner, checkpoint

from mmacda.checkpoints.safe_loading import SAFE_BY_DEFAULT

CONFIG = Path(__file__).parents[2] / 'configs/patterns/conv_patterns.py'

# onedl-mmengine loads what the safe loader refuses by the unsafe one.
refuses_code = pytest.mark.skipif(
    not SAFE_BY_DEFAULT or hasattr(checkpoint, '_safe_torch_load'),
    reason='PyTorch or MMEngine executes it')


@pytest.fixture
def make_runner(tmp_path, monkeypatch):
    """A Runner of one small convolution that saves every second step."""
    # It asks compilers for their versions, which takes most of the time.
    monkeypatch.setattr(Runner, '_log_env', lambda *_: None)

    def make(max_iters=6, hooks=(), resume=True, load_from=None, **options):
        cfg = Config.fromfile(CONFIG)
        cfg.merge_from_dict({
            'train_dataloader.dataset.size': 48,
            'train_dataloader.dataset.num_patterns': 4,
            'train_cfg.max_iters': max_iters,
            'default_hooks.checkpoint.interval': 2,
            'work_dir': str(tmp_path / 'work'),
            'resume': resume,
            'load_from': load_from,
            'experiment_name': f'run{len(os.listdir(tmp_path))}{max_iters}',
            'log_level': 'WARNING',
            **options
        })
        runner = Runner.from_cfg(cfg)
        for hook in hooks:
            runner.register_hook(hook)
        return runner

    return make
