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
        # Its own reading of images differs from inference_model's, with any
        # model: the same model, and a picture of the same size.
        assert inferencer(image)['predictions'].shape == labels.shape
        again = inference_model(inferencer.model, image).pred_sem_seg.data[0]
        assert np.array_equal(again.numpy(), labels)
