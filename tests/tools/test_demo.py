"""The demo's own arithmetic; its training is what `make demo` runs."""
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

TOOL = Path(__file__).resolve().parents[2] / 'tools/experiments/demo.py'


@pytest.fixture(scope='module')
def demo():
    pytest.importorskip('matplotlib')
    spec = importlib.util.spec_from_file_location('demo', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_shift_error_ignores_only_the_margin(demo):
    rng = np.random.default_rng(0)
    still = rng.random((64, 64))
    moved = rng.random((64, 64))
    moved[20:, 20:] = still[:-20, :-20]
    assert demo.shift_error(still, moved, margin=0) == 0
    moved[40, 41] += 0.5
    assert demo.shift_error(still, moved, margin=8) == pytest.approx(0.5)


@pytest.mark.parametrize('layer', ['conv', 'acda'])
def test_pattern_configs_train_and_are_equivariant(demo, tmp_path, layer,
                                                   monkeypatch):
    """A short run: the loss falls, and the map moves with the scene."""
    from mmengine.config import Config
    from mmengine.runner import Runner
    cfg = Config.fromfile(f'{demo.CONFIGS}/patterns/{layer}_patterns.py')
    cfg.work_dir = str(tmp_path)
    cfg.train_cfg.max_iters = 12
    cfg.experiment_name = f'{layer}_{tmp_path.name}'
    cfg.default_hooks.logger.interval = 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    losses = np.array(runner.message_hub.get_scalar('train/loss').data[0])
    assert losses[-1] < losses[0]
    maps = [demo.detect(runner, shift)['output'] for shift in (0, demo.SHIFT)]
    assert np.ptp(maps[0]) > 0
    assert demo.shift_error(*maps, margin=8) < 1e-5


def test_wrong_option_is_one_sentence(demo, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['demo.py', '--seeds', '0'])
    with pytest.raises(SystemExit):
        demo.main()
    said = capsys.readouterr().err
    assert '--seeds: must be a whole number of at least 1' in said


def test_complexity_counts_lenet(demo):
    pytest.importorskip('mmpretrain')
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope
    cfg = Config.fromfile(f'{demo.CONFIGS}/lenet/lenet_digits.py')
    init_default_scope('mmpretrain')

    class Built:
        model = MODELS.build(cfg.model)

    with torch.no_grad():
        params, flops = demo.complexity(Built)
    # One input channel instead of 3, and 20 x 20 pixels instead of 32 x 32.
    assert params == 62_006 - 2 * 6 * 25 - (400 - 64) * 120
    macs = 6 * 25 * 16**2 + 16 * 150 * 4**2 + 64 * 120 + 120 * 84 + 84 * 10
    assert flops == pytest.approx(macs, rel=0.02)
