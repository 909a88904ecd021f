"""Loaded weights stay, in every model and every form of ``Pretrained``."""
import pytest
import torch
from mmengine.model import BaseModule, PretrainedInit
from mmengine.registry import MODELS

import mmacda  # noqa: F401

ARCH = dict(stage_widths=(8, 8), stage_blocks=(1, 1), dynamic_stages=(1, ))
BACKBONE = dict(
    type='AdResNet', arch=ARCH, stem_channels=8, out_indices=(1, ))
HEAD = dict(type='DensityHead', in_channels=8, channels=(4, ), strides=(2, ))
CONV = dict(in_channels=3, out_channels=4, kernel_size=3)
CASES = {
    'ACDAConv': CONV,
    'ACDALeNet': dict(),
    'ACDARestorer': dict(num_blocks=1, mid_channels=4),
    'AdResNet': BACKBONE,
    'AtomGenerator': dict(in_channels=3, out_channels=4),
    'CondConv': CONV,
    'DFNConv': CONV,
    'DensityCounter': dict(backbone=BACKBONE, head=HEAD),
    'DensityHead': HEAD,
    'DynamicConv': CONV,
    'PatternDetector': dict(conv_cfg=dict(type='ACDAConv')),
    'VDNNoiseNet': dict(mid_channels=4),
    'VDNUNet': dict(base_channels=4, depth=2),
    'VariationalDenoiser': dict(generator=dict(
        type='VDNUNet', base_channels=4, depth=2)),
}
# Of these ``init_cfg`` is that of the model they build, or there is none.
OTHERS = ('ReplaceConvs', 'WithReplacedConvs', 'VariationalDenoisingLoss')
FORMS = dict(
    name=lambda path: dict(type='Pretrained', checkpoint=path),
    a_class=lambda path: dict(type=PretrainedInit, checkpoint=path),
    scoped=lambda path: dict(type='mmengine.Pretrained', checkpoint=path),
    path=lambda path: dict(
        type='mmengine.model.PretrainedInit', checkpoint=path),
    a_list=lambda path: [dict(type='Pretrained', checkpoint=path)],
    first=lambda path: [
        dict(type='mmengine.Pretrained', checkpoint=path),
        dict(type='Kaiming', layer=['Conv2d'])
    ])


def build(name, **kwargs):
    if name == 'VariationalDenoiser':
        pytest.importorskip('mmagic')
    if name in ('CondConv', 'DynamicConv'):
        pytest.importorskip('timm')
    return MODELS.build({**CASES[name], 'type': name, **kwargs})


def test_every_model_is_here():
    ours = {
        name
        for name, kind in MODELS.module_dict.items()
        if kind.__module__.startswith('mmacda.')
        and kind.__module__.split('.')[1] in ('layers', 'models')
    }
    assert ours == set(CASES) | set(OTHERS)


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('form', FORMS)
def test_loaded_weights_stay(form, name, tmp_path):
    source = build(name)
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.fill_(0.5)
    path = str(tmp_path / 'weights.pth')
    torch.save(dict(state_dict=source.state_dict()), path)
    model = build(name, init_cfg=FORMS[form](path))
    assert isinstance(model, BaseModule)
    model.init_weights()
    for key, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key
