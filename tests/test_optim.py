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
