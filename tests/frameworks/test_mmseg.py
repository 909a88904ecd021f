"""mmsegmentation's own tools and inferencer on our configs for it."""
import numpy as np
import pytest

from tests.frameworks.tries import Tries

pytest.importorskip('mmseg')
pytestmark = pytest.mark.long


class TestMMSeg(Tries):
    name, metric = 'mmseg', r'mIoU: \d'

    def infer(self, config, checkpoint, image):
        from mmseg.apis import MMSegInferencer, inference_model, init_model
        model = init_model(config, checkpoint, device='cpu')
        labels = inference_model(model, image).pred_sem_seg.data[0].numpy()
        assert labels.shape == (96, 96)
        inferencer = MMSegInferencer(config, checkpoint, device='cpu')
        assert np.array_equal(inferencer(image)['predictions'], labels)
