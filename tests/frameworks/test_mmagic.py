"""mmagic's own tools and inferencer on our configs."""
import numpy as np
import pytest
import torch

from tests.frameworks.tries import Tries

pytest.importorskip('mmagic')
pytestmark = pytest.mark.long


class TestMMagic(Tries):
    name, metric = 'mmagic', r'PSNR: \d'

    def infer(self, config, checkpoint, image):
        from mmagic.apis import init_model
        from mmagic.apis.inferencers import Inferencers
        from mmcv import imread
        model = init_model(config, checkpoint, device='cpu')
        low = imread(image, channel_order='rgb').transpose(2, 0, 1)
        processor = model.data_preprocessor
        x = (torch.from_numpy(low.copy())[None] - processor.mean) \
            / processor.std
        with torch.no_grad():
            found = model(x, mode='tensor') * processor.std + processor.mean
        found = found[0].clamp(0, 255).round().numpy().transpose(1, 2, 0)
        inferencer = Inferencers(
            task='Image Restoration', config=config, ckpt=checkpoint,
            device='cpu')
        inferencer(img=image, result_out_dir='restored.png')
        again = imread('restored.png', channel_order='rgb')
        assert np.abs(again.astype(int) - found).max() <= 1
