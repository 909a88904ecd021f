"""Setups of training in which adaptive layers cannot learn are told once."""
import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmacda.layers import ACDAConv, replace_convs
from mmacda.models import AdResNet

GROUPS = dict(atom_generator=dict(norm_cfg=dict(type='GN', num_groups=2)))
ARCH = dict(stage_widths=(8, 8), stage_blocks=(1, 1), dynamic_stages=(0, 1))


def backbone(**kwargs):
    return AdResNet(ARCH, stem_channels=8, out_indices=(1, ), **kwargs)


class Foreign(nn.Module):
    """A backbone that freezes its first stage, as mmdet's ResNet does."""

    def __init__(self, frozen=False, norm_eval=False, tells=True, **options):
        super().__init__()
        self.stage1 = nn.Sequential(ACDAConv(3, 4, 3, padding=1, **options))
        self.stage2 = nn.Sequential(ACDAConv(4, 4, 3, padding=1, **options))
        self.frozen, self.evaluates = frozen, norm_eval
        if tells:
            self.norm_eval = norm_eval
        self.freeze()

    def freeze(self):
        if self.frozen:
            self.stage1.eval().requires_grad_(False)

    def train(self, mode=True):
        super().train(mode)
        self.freeze()
        for module in self.modules():
            if mode and self.evaluates and isinstance(module, _BatchNorm):
                module.eval()
        return self

    def forward(self, x):
        return self.stage2(self.stage1(x))


def told(action, *arguments):
    """The warnings of ours that an action gives."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        action(*arguments)
    return [
        str(warning.message) for warning in caught
        if 'adaptive layer' in str(warning.message)
    ]


@pytest.mark.parametrize('wrap', [False, True])
def test_frozen_backbone_is_named(wrap):
    model = backbone(frozen_stages=1)
    model = nn.ModuleDict(dict(backbone=model)) if wrap else model
    messages = told(model.train)
    name = 'backbone.layer1.0.conv2' if wrap else 'layer1.0.conv2'
    assert len(messages) == 1 and f'layer {name} is frozen' in messages[0]
    assert not told(model.train)


def test_frozen_layers_of_other_backbones():
    model = nn.ModuleDict(dict(neck=nn.Identity(), body=Foreign(frozen=True)))
    messages = told(model.train)
    assert len(messages) == 1
    assert 'layer body.stage1.0 is frozen' in messages[0]
    assert not told(model.train)


def test_loaded_layers_may_be_frozen():
    source = backbone().state_dict()
    model = backbone(frozen_stages=1)
    model.load_state_dict(source)
    assert not told(model.train)
    moved = backbone(frozen_stages=1).double().float()
    assert told(moved.train)


def test_trained_layers_may_be_frozen():
    layer = ACDAConv(3, 4, 3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(torch.rand(2, 3, 9, 9)).square().sum().backward()
    optimizer.step()
    layer.requires_grad_(False)
    assert not told(layer.train)


def test_projected_layers_may_be_frozen():
    for init, expected in (('project', 0), (None, 1)):
        model = nn.Sequential(nn.Conv2d(8, 8, 3))
        replace_convs(model, init=init)
        model.requires_grad_(False)
        assert len(told(model.train)) == expected


@pytest.mark.parametrize('wrap', [False, True])
def test_norms_that_never_saw_a_batch(wrap):
    model = backbone(norm_eval=True)
    model = nn.ModuleDict(dict(backbone=model)) if wrap else model
    messages = told(model.train)
    prefix = 'backbone.' if wrap else ''
    assert len(messages) == 1 and 'norm_eval' in messages[0]
    assert f'{prefix}layer1.0.conv2, {prefix}layer2.0.conv2' in messages[0]
    assert not told(model.train)


def test_norms_of_other_backbones():
    """Their train() turns norms to eval after the layers' own."""
    model = nn.ModuleDict(dict(neck=ACDAConv(3, 4, 3),
                               body=Foreign(norm_eval=True)))
    messages = told(model.train)
    assert len(messages) == 1 and 'norm_eval' in messages[0]
    assert 'layers body.stage1.0, body.stage2.0 are' in messages[0]
    assert not told(model.train)


def test_norms_that_nobody_tells_of():
    """Their layers' train() has returned: told in the second round."""
    model = Foreign(norm_eval=True, tells=False)
    messages = told(model.train) + told(model.train)
    assert len(messages) == 1 and 'stage1.0, stage2.0' in messages[0]


def test_frozen_norms_of_other_backbones_may_stay_in_eval():
    model = Foreign(frozen=True, norm_eval=True)
    loaded = Foreign().train()
    loaded(torch.rand(2, 3, 9, 9))
    model.load_state_dict(loaded.state_dict())
    assert not told(model.train)


def test_norms_with_statistics_may_stay_in_eval():
    source = backbone().train()
    source(torch.rand(2, 3, 32, 32))
    model = backbone(norm_eval=True)
    model.load_state_dict(source.state_dict())
    assert not told(model.train)


@pytest.mark.parametrize('model', [
    backbone(), backbone(norm_eval=True, acda_cfg=GROUPS),
    backbone(norm_eval=True, conv_type='conv'),
    backbone(frozen_stages=2, conv_type='conv'),
    Foreign(), Foreign(norm_eval=True, **GROUPS)
])
def test_sound_setups_are_silent(model):
    assert not told(model.train) + told(model.eval) + told(model.train)


def test_copies_are_silent_where_it_cannot_be_told():
    assert not told(copy.deepcopy(Foreign(frozen=True)).train)
    with torch.inference_mode():
        layer = ACDAConv(3, 4, 3)
    assert not told(layer.requires_grad_(False).train)


def test_many_names_are_cut():
    model = nn.Sequential(*(ACDAConv(3, 3, 3) for _ in range(7)))
    model.requires_grad_(False)
    (message, ) = told(model.train)
    assert '0, 1, 2, 3, 4 and 2 more are frozen' in message
