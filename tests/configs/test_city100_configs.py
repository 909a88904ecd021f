"""City100's configs on tiny pairs: which files, and one step of training."""
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

pytest.importorskip('mmagic')

CONFIGS = Path(__file__).parents[2] / 'configs' / 'real_sr'
NUMBERS = (1, 40, 41, 50)


@pytest.mark.parametrize('name', ['acda-restorer', 'acda-restorer-conv'])
def test_pairs_and_one_step(name, tmp_path):
    rng = np.random.default_rng(0)
    for number in NUMBERS:
        for kind in 'LH':
            Image.fromarray(
                rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)).save(
                    tmp_path / f'{number:03d}{kind}.PNG')
    cfg = Config.fromfile(CONFIGS / f'{name}_city100.py')
    cfg.model.generator.update(num_blocks=1, mid_channels=8)
    cfg.train_dataloader.update(batch_size=2)
    cfg.train_dataloader.dataset.pipeline[1].gt_patch_size = 12
    for key in ('train', 'val', 'test'):
        cfg[f'{key}_dataloader'].dataset.data_root = str(tmp_path)
    cfg.train_cfg.update(max_iters=1, val_interval=1)
    cfg.default_hooks.checkpoint.update(save_best=None, save_last=False)
    cfg.work_dir = str(tmp_path / 'work_dir')
    runner = Runner.from_cfg(cfg)
    runner.train()
    test = runner.val_loop.dataloaders[0].dataset
    for dataset, numbers in ((runner.train_dataloader.dataset, NUMBERS[:2]),
                             (test, NUMBERS[2:])):
        pairs = sorted((Path(d['img_path']).name, Path(d['gt_path']).name)
                       for d in map(dataset.get_data_info,
                                    range(len(dataset))))
        assert pairs == [(f'{n:03d}L.PNG', f'{n:03d}H.PNG') for n in numbers]
    metrics = runner.message_hub.log_scalars
    assert {'val/RealSR/PSNR', 'val/PSNR', 'val/SSIM'} <= set(metrics)
