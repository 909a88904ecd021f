"""Every form of a type means the same, and nothing else compares types."""
import ast
from pathlib import Path

import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config, ConfigDict
from mmengine.config.lazy import LazyObject
from mmengine.model import PretrainedInit
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import (MODELS, OPTIM_WRAPPERS, TRANSFORMS,
                               WEIGHT_INITIALIZERS, DefaultScope)

import mmacda
from mmacda.apis.crowd_counting_inferencer import _test_pipeline
from mmacda.apis.inspection import channel_order
from mmacda.layers import ACDAConv, AtomGenerator
from mmacda.models import ACDALeNet, ACDARestorer, AdResNet
from mmacda.registry_types import (is_pretrained, is_subtype, is_type,
                                   plain_init_cfg, resolve_type, type_names)
from tools.train import enable_amp

ROOT = Path(__file__).parents[1]
TINY = dict(stage_widths=(8, ), stage_blocks=(1, ), dynamic_stages=(0, ))


def forms(cls, name, path):
    """Every way in which a config may name a class."""
    module, attribute = path.rsplit('.', 1)
    return [
        name, f'mmengine.{name}', path, cls,
        LazyObject(module, attribute),
        getattr(LazyObject(module), attribute)
    ]


ACDA = forms(ACDAConv, 'ACDAConv', 'mmacda.layers.ACDAConv')
GENERATOR = forms(AtomGenerator, 'AtomGenerator',
                  'mmacda.layers.atom_generator.AtomGenerator')
PRETRAINED = forms(PretrainedInit, 'Pretrained',
                   'mmengine.model.PretrainedInit')
LOADER = [
    *forms(LoadImageFromFile, 'LoadImageFromFile',
           'mmcv.transforms.LoadImageFromFile'), 'mmcv.LoadImageFromFile'
]


@pytest.mark.parametrize('kind', ACDA)
def test_every_form_is_the_class(kind):
    assert resolve_type(kind, MODELS) is ACDAConv
    assert is_type(dict(type=kind), MODELS, ACDAConv)
    assert is_subtype(dict(type=kind), MODELS, torch.nn.Module)
    assert not is_type(dict(type=kind), MODELS, AtomGenerator)


def test_other_types():
    assert resolve_type('NoSuchLayer', MODELS) is None
    assert resolve_type('no.such.Layer', MODELS) is None
    assert not is_type(dict(type='NoSuchLayer'), MODELS, 'NoSuchLayer')
    assert not is_type({}, MODELS, ACDAConv)
    assert is_type({}, MODELS, ACDAConv, default='ACDAConv')
    function = resolve_type('ReplaceConvs', MODELS)
    assert is_type(dict(type=function), MODELS, 'ReplaceConvs')
    assert not is_subtype(dict(type=function), MODELS, torch.nn.Module)


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmengine'])
def test_scopes(scope):
    pytest.importorskip('mmpretrain')
    from mmpretrain.models import ResNet
    with DefaultScope.overwrite_default_scope(scope):
        assert resolve_type('ACDAConv', MODELS) is ACDAConv
        assert resolve_type('mmpretrain.ResNet', MODELS) is ResNet
        cfg = dict(type='ResNet', _scope_='mmpretrain')
        assert is_type(cfg, MODELS, ResNet)


@pytest.mark.parametrize('kind, generator', [
    *((kind, 'AtomGenerator') for kind in ACDA),
    *(('ACDAConv', generator) for generator in GENERATOR),
])
def test_models_are_the_same_for_every_form(kind, generator):
    # As a config gives it, which imports what is lazy when it is read.
    acda_cfg = ConfigDict(type=kind, atom_generator=dict(type=generator))
    for build in (lambda cfg: AdResNet(TINY, out_indices=(0, ), acda_cfg=cfg),
                  lambda cfg: ACDARestorer(num_blocks=1, acda_cfg=cfg),
                  lambda cfg: ACDALeNet(acda_cfg=cfg)):
        with torch.device('meta'):
            assert repr(build(acda_cfg)) == repr(build(None))


def test_another_layer_takes_its_place():
    layer = AdResNet(
        TINY, out_indices=(0, ),
        acda_cfg=dict(type=torch.nn.Conv2d)).layer1[0].conv2
    assert type(layer) is torch.nn.Conv2d
    assert type(ACDALeNet(acda_cfg=dict(type='Conv2d')).conv1) \
        is torch.nn.Conv2d


@pytest.mark.parametrize('kind', PRETRAINED)
def test_pretrained(kind):
    cfg = dict(type=kind, checkpoint='a.pth')
    assert is_pretrained(cfg)
    assert is_pretrained([dict(type='Kaiming', layer='Conv2d'), cfg])
    assert plain_init_cfg(cfg) == dict(type='Pretrained', checkpoint='a.pth')
    assert plain_init_cfg([cfg])[0]['type'] == 'Pretrained'
    assert cfg['type'] is kind
    assert is_type(cfg, WEIGHT_INITIALIZERS, 'Pretrained')


@pytest.mark.parametrize(
    'init_cfg', [None, dict(type='Kaiming'), [dict(type='Xavier')], []])
def test_other_initializations_stay(init_cfg):
    assert not is_pretrained(init_cfg)
    assert plain_init_cfg(init_cfg) == init_cfg


@pytest.mark.parametrize('kind', LOADER)
def test_loading_steps(kind):
    step = dict(type=kind, channel_order='rgb')
    assert 'LoadImageFromFile' in type_names(step, TRANSFORMS)
    cfg = Config(
        dict(
            test_dataloader=dict(
                dataset=dict(pipeline=[step, dict(type='PackCrowdInputs')]))))
    model = torch.nn.Module()
    model.cfg = cfg
    assert channel_order(model) == 'rgb'
    assert [s['type'] for s in _test_pipeline(cfg)] == ['PackCrowdInputs']


def test_a_loader_of_an_absent_framework_is_known_by_its_name():
    step = dict(type='nowhere.LoadImageFromFile')
    assert type_names(step, TRANSFORMS) == ('LoadImageFromFile', )


@pytest.mark.parametrize('kind', [
    None, *forms(
        resolve_type('OptimWrapper', OPTIM_WRAPPERS), 'OptimWrapper',
        'mmengine.optim.OptimWrapper'), AmpOptimWrapper, 'AmpOptimWrapper'
])
def test_amp_of_every_form(kind):
    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=1))))
    if kind is not None:
        cfg.optim_wrapper['type'] = kind
    enable_amp(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'


def test_amp_refuses_other_wrappers():
    cfg = Config(dict(optim_wrapper=dict(type='SeparateClipOptimWrapper',
                                         optimizer=dict(type='SGD', lr=1))))
    with pytest.raises(ValueError, match='SeparateClipOptimWrapper'):
        enable_amp(cfg)


def test_our_name_is_no_scope():
    """It works and says which name to write."""
    with pytest.warns(UserWarning, match="write type='AdResNet'"):
        assert MODELS.get('mmacda.AdResNet') is AdResNet
    with pytest.raises(AttributeError, match='ACDAConvv'):
        getattr(mmacda, 'ACDAConvv')  # noqa: B009
    assert not hasattr(mmacda, 'Conv2d')


def _is_type_lookup(node):
    """``cfg['type']``, ``cfg.type`` or ``cfg.get('type', ...)``."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) \
            and node.func.attr in ('get', 'pop') and bool(node.args) \
            and isinstance(node.args[0], ast.Constant) \
            and node.args[0].value == 'type' \
            or any(map(_is_type_lookup, [node.func, *node.args]))
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) \
            and node.slice.value == 'type'
    if isinstance(node, ast.Attribute):
        value = node.value
        owner = getattr(value, 'attr', getattr(value, 'id', ''))
        return node.attr == 'type' and 'device' not in owner \
            or _is_type_lookup(value)
    return False


def _type_comparisons(source):
    """Lines that compare a looked-up type, or a variable that holds one."""
    tree = ast.parse(source)
    held = {
        target.id
        for node in ast.walk(tree) if isinstance(node, ast.Assign)
        and _is_type_lookup(node.value) for target in node.targets
        if isinstance(target, ast.Name)
    }

    def looked_up(node):
        return _is_type_lookup(node) or (isinstance(node, ast.Name)
                                         and node.id in held)

    found = []
    for node in ast.walk(tree):
        parts = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(
                node.func, ast.Attribute) and node.func.attr in (
                    'startswith', 'endswith'):
            parts = [node.func.value]
        if any(map(looked_up, parts)):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize('line', [
    "cfg['type'] == 'A'", "cfg.type != 'A'", "cfg.get('type') in ('A', 'B')",
    "str(step['type']).startswith('Load')", "'A' == cfg.type",
    "kind = cfg.get('type', 'A')\nif kind not in ('A', ): pass",
    "cfg.model.type.endswith('A')"
])
def test_the_sweep_finds_comparisons(line):
    assert _type_comparisons(line)


def test_no_type_is_compared_outside_the_helper():
    helper = ROOT / 'mmacda' / 'registry_types.py'
    for folder in ('mmacda', 'tools'):
        for path in sorted((ROOT / folder).rglob('*.py')):
            if path != helper:
                lines = _type_comparisons(path.read_text(encoding='utf-8'))
                assert not lines, f'{path}: {lines}'
