"""The safe loader with MMEngine's checkpoints, and AMP without a GPU."""
import pickle

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim import build_optim_wrapper

import mmacda  # noqa: F401

SAFE_LOADER = hasattr(torch.serialization, 'add_safe_globals')


def test_logging_history_survives_the_safe_loader(tmp_path):
    hub = MessageHub('test_compat')
    for value in (3., 1., 2.):
        hub.update_scalar('train/loss', value)
    path = tmp_path / 'checkpoint.pth'
    torch.save(dict(message_hub=hub.state_dict()), path)
    # torch >= 2.6 takes the safe loader by default.
    loaded = torch.load(path)['message_hub']['log_scalars']['train/loss']
    assert isinstance(loaded, HistoryBuffer)
    assert loaded.min() == 1 and loaded.current() == 2


class Malicious:

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.skipif(not SAFE_LOADER, reason='torch has no safe globals')
@pytest.mark.parametrize('call', [
    (eval, '1 + 1'),
    (getattr, HistoryBuffer, '__init__'),
    (getattr, torch.Tensor, 'mean'),
])
def test_code_in_a_checkpoint_is_still_refused(tmp_path, call):
    path = tmp_path / 'checkpoint.pth'
    torch.save(dict(state_dict=Malicious(*call)), path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason='about CPUs')
def test_amp_trains_in_bfloat16_on_a_cpu():
    model = torch.nn.Conv2d(3, 4, 3)
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='AmpOptimWrapper',
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


@pytest.mark.skipif(torch.cuda.is_available(), reason='about CPUs')
@pytest.mark.parametrize('loss_scale, expected', [
    ('dynamic', 2.**16), (128., 128.), (dict(init_scale=32.), 32.)])
def test_amp_scales_float16_on_a_cpu(loss_scale, expected):
    if not hasattr(torch.amp, 'GradScaler'):
        pytest.skip('needs torch 2.3')
    model = torch.nn.Conv2d(3, 4, 3)
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='AmpOptimWrapper',
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


@pytest.mark.skipif(torch.cuda.is_available(), reason='about CPUs')
def test_amp_names_a_wrong_scale():
    with pytest.raises(TypeError, match='loss_scale must be'):
        build_optim_wrapper(
            torch.nn.Linear(1, 1),
            dict(
                type='AmpOptimWrapper',
                loss_scale='static',
                optimizer=dict(type='SGD', lr=0.1)))


@pytest.mark.skipif(torch.cuda.is_available(), reason='about CPUs')
def test_amp_names_a_wrong_dtype():
    with pytest.raises(ValueError, match="dtype must be one of .*'int8'"):
        build_optim_wrapper(
            torch.nn.Linear(1, 1),
            dict(
                type='AmpOptimWrapper',
                dtype='int8',
                optimizer=dict(type='SGD', lr=0.1)))
