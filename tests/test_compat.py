"""The safe loader with MMEngine's checkpoints, and AMP without a GPU."""
import pickle
import subprocess
import sys

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim import build_optim_wrapper

from mmacda.compat import installed_versions, unproven_versions

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
def test_amp_names_a_wrong_dtype():
    with pytest.raises(ValueError, match="dtype must be one of .*'int8'"):
        build_optim_wrapper(
            torch.nn.Linear(1, 1),
            dict(
                type='AmpOptimWrapper',
                dtype='int8',
                optimizer=dict(type='SGD', lr=0.1)))


@pytest.mark.trust('packaging/versions')
def test_the_pinned_versions_are_proven():
    found = installed_versions()
    assert set(found) >= {'torch', 'mmengine', 'mmcv'}
    assert unproven_versions(found) == []


@pytest.mark.trust('packaging/versions')
@pytest.mark.parametrize('package,version', [
    ('torch', '2.0.1'), ('torch', '3.0.0'), ('torch', '2.14.0'),
    ('mmengine', '0.9.1'), ('mmcv', '1.7.2'), ('mmpretrain', '2.0.0'),
    ('mmagic', '1.1.0')
])
def test_other_versions_are_told(package, version, figure):
    message, = unproven_versions({package: version})
    assert package in message and version in message and '>=' in message
    figure(f'{package} {version}', message)


@pytest.mark.trust('packaging/versions')
@pytest.mark.parametrize('package,version', [
    ('torch', '2.1.2'), ('torch', '2.13.0+cu130'), ('torch', '2.9.0a0+git1'),
    ('mmcv', '2.2.0'), ('mmengine', '0.10.7')
])
def test_proven_versions_are_silent(package, version):
    assert unproven_versions({package: version}) == []


@pytest.mark.trust('packaging/versions')
def test_an_unproven_version_warns_and_goes_on():
    code = ('import mmcv, warnings; mmcv.__version__ = "9.0";'
            'warnings.simplefilter("ignore");'
            'import mmengine.runner, mmcv.cnn;'
            'warnings.simplefilter("always");'
            'from mmacda.layers import ACDAConv; print(ACDAConv.__name__)')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True,
                          text=True)
    assert done.stdout.strip() == 'ACDAConv', done.stderr
    assert 'proven with mmcv >= 2.0, < 2.3, but 9.0' in done.stderr
