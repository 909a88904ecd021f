"""No bias in front of a norm, and checkpoints that have one."""
import copy

import pytest
import torch
from mmengine.runner import load_state_dict

from mmacda.layers import ACDAConv
from mmacda.models import AdResNet
from mmacda.models.backbones.ad_resnet_blocks import DynamicBottleneck

ARCH = dict(stage_widths=(4, 4, 8, 8), stage_blocks=(1, 1, 1, 1))
NORMS = [
    dict(type='BN'),
    dict(type='BN', affine=False),
    dict(type='BN', track_running_stats=False),
    dict(type='GN', num_groups=2),
    dict(type='IN2d'),
    dict(type='IN2d', track_running_stats=True),
]


def make(norm_cfg=NORMS[0], old=False, **acda_cfg):
    torch.manual_seed(0)
    if old:
        acda_cfg['bias'] = True
    model = AdResNet(ARCH, stem_channels=4, norm_cfg=norm_cfg,
                     acda_cfg=acda_cfg, zero_init_residual=False)
    for tensor in model.state_dict(keep_vars=True).values():
        if tensor.is_floating_point():
            torch.nn.init.uniform_(tensor, 0.2, 1)
    return model


def biases(model):
    return [m.bias for m in model.modules() if isinstance(m, ACDAConv)]


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('load', [
    lambda model, state: model.load_state_dict(state), load_state_dict
], ids=['torch', 'mmengine'])
@pytest.mark.parametrize('norm_cfg', NORMS, ids=str)
def test_old_checkpoints_give_the_same_outputs(norm_cfg, load, training):
    old, new = make(norm_cfg, old=True), make(norm_cfg)
    assert all(b is not None for b in biases(old))
    assert all(b is None for b in biases(new))
    state = old.state_dict()
    before = copy.deepcopy(state)
    load(new, state)
    assert state.keys() == before.keys()
    assert all(torch.equal(state[k], before[k]) for k in state
               if isinstance(state[k], torch.Tensor))
    kept = norm_cfg['type'] == 'GN'  # where it makes a difference
    assert all((b is not None) == kept for b in biases(new))
    x = torch.rand(2, 3, 40, 40)
    with torch.no_grad():
        expected, = old.train(training)(x)
        y, = new.train(training)(x)
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
    new.load_state_dict(new.state_dict())
    for (name, theirs), ours in zip(old.named_buffers(), new.buffers()):
        if not name.endswith(('bn2.running_mean', '0.in2.running_mean')):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_bias_that_is_asked_for_stays():
    model = make(old=True)
    model.load_state_dict(make(old=True).state_dict())
    assert all(b is not None for b in biases(model))


def test_without_a_norm_the_bias_stays():
    block = DynamicBottleneck(4, 4, acda_cfg=dict(type='ACDAConv'),
                              norm_cfg=None)
    assert block.conv2.bias is not None
    block.load_state_dict(block.state_dict())


def test_a_bias_without_its_mean_is_told():
    state = make(old=True).state_dict()
    mean = next(k for k in state if k.endswith('bn2.running_mean')
                and 'layer3' in k)
    del state[mean]
    with pytest.raises(RuntimeError, match='conv2.bias'):
        make().load_state_dict(state)
