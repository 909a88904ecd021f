"""The toy detector: its loss, its units, its equivariance."""
import pytest
import torch
from mmengine.registry import MODELS


def build(conv_type, **kwargs):
    return MODELS.build(
        dict(type='PatternDetector', conv_cfg=dict(type=conv_type), **kwargs))


@pytest.mark.parametrize('conv_type', ['Conv2d', 'ACDAConv'])
def test_loss_is_the_mse_of_the_map_in_scaled_units(conv_type):
    torch.manual_seed(0)
    model = build(conv_type, target_scale=4.).eval()
    image, target = torch.rand(2, 1, 20, 17), torch.rand(2, 1, 20, 17)
    loss = model(image, target, mode='loss')['loss']
    predicted = model(image, target, mode='predict')
    assert predicted.shape == target.shape
    torch.testing.assert_close(
        loss, 16 * torch.nn.functional.mse_loss(predicted, target))
