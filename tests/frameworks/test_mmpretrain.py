"""mmpretrain's own tools and inferencer on our configs."""
import pytest

from tests.frameworks.tries import Tries

pytest.importorskip('mmpretrain')
pytestmark = pytest.mark.long


class TestMMPretrain(Tries):
    name, metric = 'mmpretrain', r'accuracy/top1: \d'

    def infer(self, config, checkpoint, image):
        from mmpretrain import ImageClassificationInferencer, get_model
        model = get_model(config, checkpoint, device='cpu')
        found = ImageClassificationInferencer(model)(image)[0]
        inferencer = ImageClassificationInferencer(
            config, pretrained=checkpoint, device='cpu')
        again = inferencer(image)[0]
        assert again['pred_label'] == found['pred_label']
        assert again['pred_score'] == pytest.approx(found['pred_score'])
