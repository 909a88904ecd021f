"""mmdet's own tools and inferencer on our configs for it."""
import pytest

from tests.frameworks.tries import Tries

pytest.importorskip('mmdet')
pytestmark = pytest.mark.long


class TestMMDet(Tries):
    name, metric = 'mmdet', r'bbox_mAP: -?\d'

    def infer(self, config, checkpoint, image):
        from mmdet.apis import DetInferencer, inference_detector, init_detector
        model = init_detector(config, checkpoint, device='cpu')
        found = inference_detector(model, image).pred_instances
        assert found.bboxes.isfinite().all()
        inferencer = DetInferencer(config, checkpoint, device='cpu')
        again = inferencer(image, no_save_vis=True)['predictions'][0]
        assert len(again['scores']) == len(found.scores)
        assert again['scores'] == pytest.approx(found.scores.tolist())
