"""mmpose's own tools and inferencer on our configs for it."""
import numpy as np
import pytest

from tests.frameworks.tries import Tries

pytest.importorskip('mmpose')
pytestmark = pytest.mark.long


class TestMMPose(Tries):
    name, metric = 'mmpose', r'coco/AP: -?\d'

    def infer(self, config, checkpoint, image):
        from mmpose.apis import MMPoseInferencer, inference_topdown, init_model
        model = init_model(config, checkpoint, device='cpu')
        points = inference_topdown(model, image)[0].pred_instances.keypoints
        assert points.shape == (1, 17, 2)
        inferencer = MMPoseInferencer(
            pose2d=config, pose2d_weights=checkpoint, device='cpu',
            det_model='whole_image')
        again = next(inferencer(image))['predictions'][0][0]['keypoints']
        assert np.allclose(again, points[0])
