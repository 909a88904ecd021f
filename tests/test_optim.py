"""AMP without a GPU."""
import pytest
import torch
from mmengine.optim import build_optim_wrapper

import mmacda  # noqa: F401


pytestmark = pytest.mark.skipif(
    torch.cuda.is_available(), reason='about CPUs')


def test_amp_trains_in_bfloat16_on_a_cpu():
    model = torch.nn.Conv2d(3, 4, 3)
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='AnyDeviceAmpOptimWrapper',
            loss_scale='dynamic',
            clip_grad=dict(max_norm=1.),
            optimizer=dict(type='SGD', lr=0.1)))
    before = model.weight.detach().clone()
    with wrapper.optim_context(model):
        output = model(torch.ones(1, 3, 5, 5))
    assert output.dtype == torch.bfloat16
    wrapper.update_params(output.float().square().mean())
    assert (model.weight != before).any()
    wrapper.load_state_dict(wrapper.state_dict())


@pytest.mark.parametrize('loss_scale, expected', [
    ('dynamic', 2.**16), (128., 128.), (dict(init_scale=32.), 32.)])
def test_amp_scales_float16_on_a_cpu(loss_scale, expected):
    if not hasattr(torch.amp, 'GradScaler'):
        pytest.skip('needs torch 2.3')
    model = torch.nn.Conv2d(3, 4, 3)
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='AnyDeviceAmpOptimWrapper',
            dtype='float16',
            loss_scale=loss_scale,
            optimizer=dict(type='SGD', lr=0.1)))
    before = model.weight.detach().clone()
    with wrapper.optim_context(model):
        output = model(torch.ones(1, 3, 5, 5))
    assert output.dtype == torch.float16
    wrapper.update_params(output.float().square().mean())
    assert (model.weight != before).any()
    assert wrapper.loss_scaler.get_scale() == expected


def test_amp_names_a_wrong_scale():
    with pytest.raises(TypeError, match='loss_scale must be'):
        build_optim_wrapper(
            torch.nn.Linear(1, 1),
            dict(
                type='AnyDeviceAmpOptimWrapper',
                loss_scale='static',
                optimizer=dict(type='SGD', lr=0.1)))


@pytest.mark.parametrize('dtype', ('int8', 8))
def test_amp_names_a_wrong_dtype(dtype):
    with pytest.raises((TypeError, ValueError),
                       match=f'dtype must be .*{dtype!r}'):
        build_optim_wrapper(
            torch.nn.Linear(1, 1),
            dict(
                type='AnyDeviceAmpOptimWrapper',
                dtype=dtype,
                optimizer=dict(type='SGD', lr=0.1)))


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_amp_serves_mmcv_s_detection_ops_on_a_cpu(dtype):
    """As they would compute from the same rounded numbers in float32."""
    try:
        from mmcv.ops import RoIAlign, batched_nms, nms
    except ImportError:
        pytest.skip('needs mmcv with its ops')
    if dtype == 'float16' and not hasattr(torch.amp, 'GradScaler'):
        pytest.skip('needs torch 2.3')
    model = torch.nn.Conv2d(3, 4, 3)
    wrapper = build_optim_wrapper(
        model, dict(type='AnyDeviceAmpOptimWrapper', dtype=dtype,
                    optimizer=dict(type='SGD', lr=0.1)))
    half = getattr(torch, dtype)
    torch.manual_seed(0)
    corners = torch.rand(20, 2) * 20
    boxes = torch.cat([corners, corners + 10], 1)
    scores = torch.rand(20).to(half)
    image = torch.rand(1, 2, 32, 32).to(half).requires_grad_()
    rois = torch.tensor([[0, 2., 3., 20., 22.]]).to(half)
    align, rules = RoIAlign(7), dict(type='nms', iou_threshold=0.5)
    with wrapper.optim_context(model):
        kept = nms(boxes, scores, 0.5)[1]
        kept_rounded = nms(boxes.to(half), scores, 0.5)[1]
        kept_of_two = batched_nms(boxes, scores, torch.arange(20) % 2,
                                  rules)[1]
        pooled = align(image, rois)
    pooled.float().sum().backward()
    assert kept.equal(nms(boxes, scores.float(), 0.5)[1])
    assert kept_rounded.equal(
        nms(boxes.to(half).float(), scores.float(), 0.5)[1])
    assert kept_of_two.equal(batched_nms(
        boxes, scores.float(), torch.arange(20) % 2, rules)[1])
    single = image.detach().float().requires_grad_()
    expected = align(single, rois.float())
    expected.sum().backward()
    assert pooled.dtype == half and pooled.equal(expected.to(half))
    assert image.grad.equal(single.grad.to(half))
    with pytest.raises(RuntimeError):  # as before, outside of the context
        nms(boxes.to(half), scores, 0.5)
