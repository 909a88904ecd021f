"""Models from configs and checkpoints of any framework."""
import pytest
import torch
from mmengine.config import Config

from mmacda.apis.load_model import load_model
from mmacda.models import ACDALeNet

MODEL = dict(
    type='PatternDetector',
    conv_cfg=dict(type='ACDAConv', atom_generator=dict(norm_cfg=None)),
    kernel_size=3)


def config(**kwargs):
    return Config(dict(model=dict(MODEL), **kwargs))


def test_checkpoint_is_loaded(tmp_path):
    path = str(tmp_path / 'good.pth')
    trained = load_model(config())
    torch.save(dict(state_dict=trained.state_dict()), path)
    model = load_model(config(), path)
    assert not model.training and model.cfg.model.kernel_size == 3
    for name, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)


def test_checkpoint_that_does_not_fit(tmp_path):
    path = str(tmp_path / 'other.pth')
    state = load_model(config()).state_dict()
    torch.save(dict(state_dict=state), path)
    wider = dict(model=dict(MODEL, kernel_size=5))
    with pytest.raises(ValueError, match='not a checkpoint of this network'):
        load_model(Config(wider), path)
    state.pop('layer.bias')
    torch.save(dict(state_dict=state), path)
    with pytest.raises(ValueError, match='layer.bias'):
        load_model(config(), path)
    torch.save(dict(state_dict=ACDALeNet().state_dict()), path)
    with pytest.raises(ValueError) as caught:
        load_model(config(), path)
    assert len(str(caught.value)) < 1500
    (tmp_path / 'other.pth').write_text('nothing of the kind',
        encoding='utf-8')
    with pytest.raises(ValueError, match='other.pth is not a checkpoint'):
        load_model(config(), path)
    with pytest.raises(FileNotFoundError, match='absent.pth'):
        load_model(config(), str(tmp_path / 'absent.pth'))
    with pytest.raises(ValueError, match='has no model'):
        load_model(Config(dict(optimizer=1)))
