"""WithReplacedConvs on top of a config, through MMEngine's Runner."""
import copy

import pytest
import torch
import torch.nn as nn
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.model import BaseModule
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import save_checkpoint

import mmacda  # noqa: F401
from mmacda.layers import ACDAConv
from tests.replaced_models import EXACT, Tiny, make_runner


@pytest.fixture
def original(tmp_path):
    torch.manual_seed(0)
    model = Tiny()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    path = str(tmp_path / 'original.pth')
    save_checkpoint(dict(state_dict=model.state_dict()), path)
    return model, path


def converted(replace=None, **model):
    return dict(
        type='WithReplacedConvs', original=Tiny, replace=replace, **model)


def test_nothing_is_read_when_it_is_built():
    model = MODELS.build(
        converted(
            dict(checkpoint='/nowhere/original.pth', init='project'),
            init_cfg=dict(type='Pretrained', checkpoint='/nowhere/too.pth')))
    assert type(model) is Tiny
    assert isinstance(model.block.conv, ACDAConv)
    assert isinstance(model.stem, nn.Conv2d)
    assert model.block.calls == 0
    state = model.state_dict()
    assert not any('conv.conv' in key or 'original' in key for key in state)
    model.load_state_dict(MODELS.build(converted()).state_dict())
    with pytest.raises(FileNotFoundError, match='too.pth'):
        model.init_weights()
    assert isinstance(model.block.conv, ACDAConv)


@pytest.mark.parametrize('by', ['checkpoint', 'init_cfg'])
def test_warm_start_in_the_runner(by, original, tmp_path):
    """The optimizer is built before the weights are initialized."""
    model, path = original
    cfg = converted(dict(conv_cfg=EXACT, init='project', checkpoint=path)) \
        if by == 'checkpoint' else converted(
            dict(conv_cfg=EXACT, init='project', include='block'),
            init_cfg=dict(type='Pretrained', checkpoint=path))
    runner, spy = make_runner(cfg, tmp_path)
    layer = runner.model.block.conv
    weight = layer.weight
    runner.train()
    assert runner.model.block.conv is layer and layer.weight is weight
    for name in ('block.keep.weight', 'head.bias'):
        assert torch.equal(spy.state[name], model.state_dict()[name]), name
    assert not torch.equal(weight, spy.state['block.conv.weight'])
    runner.model.load_state_dict(spy.state)
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(layer(x), model.block.conv(x), atol=1e-5,
                               rtol=0)


@pytest.mark.parametrize('init', [None, 'project'])
def test_the_usual_init_is_applied_once(init, tmp_path):
    runner, spy = make_runner(converted(dict(init=init)), tmp_path)
    runner.train()
    assert runner.model.block.calls == 1
    assert (spy.state['norm.weight'] == 0.5).all()
    assert spy.state['stem.weight'].std().item() == pytest.approx(
        0.2, rel=0.2)
    runner.model.init_weights()
    assert runner.model.block.calls == 1


def test_both_forms_start_alike(original):
    _, path = original
    options = dict(conv_cfg=EXACT, init='project', checkpoint=path)
    new = MODELS.build(converted(options))
    new.init_weights()
    with pytest.warns(FutureWarning):
        old = MODELS.build(
            dict(type='ReplaceConvs', model=dict(type=Tiny), **options))
    x = torch.randn(2, 3, 8, 8)
    assert list(new.state_dict()) == list(old.state_dict())
    torch.testing.assert_close(new(x), old(x))


def test_copies_and_saved_models_initialize_themselves(original, tmp_path):
    """As the EMA hook and a whole-model checkpoint make them."""
    model, path = original
    built = MODELS.build(
        converted(dict(conv_cfg=EXACT, init='project', checkpoint=path)))
    twin = copy.deepcopy(built)
    torch.save(built, tmp_path / 'model.pth')
    loaded = torch.load(tmp_path / 'model.pth', weights_only=False)
    before = copy.deepcopy(built.state_dict())
    x = torch.randn(2, 3, 8, 8)
    for other in (twin, loaded):
        other.init_weights()
        torch.testing.assert_close(other(x), model(x), atol=1e-5, rtol=0)
    for name, value in built.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_ema_and_resume(original, tmp_path):
    _, path = original
    cfg = converted(dict(init='project', checkpoint=path))
    runner, _ = make_runner(copy.deepcopy(cfg), tmp_path)
    runner.register_hook(EMAHook())
    runner.train()
    trained = runner.model.state_dict()
    resumed, spy = make_runner(cfg, tmp_path, resume=True, max_iters=3)
    resumed.register_hook(EMAHook())
    resumed.train()
    assert spy.iteration == 2
    assert all(torch.equal(v, trained[k]) for k, v in spy.state.items())


def test_checkpoint_must_hold_the_replaced_weights(original, tmp_path):
    model, _ = original
    path = str(tmp_path / 'renamed.pth')
    state = {f'model.{k}': v for k, v in model.state_dict().items()}
    torch.save(dict(state_dict=state), path)
    built = MODELS.build(converted(dict(checkpoint=path)))
    with pytest.raises(ValueError, match="2 of the 2.*'block.conv'"):
        built.init_weights()
    built = MODELS.build(
        converted(
            dict(
                conv_cfg=EXACT, init='project',
                checkpoint=dict(
                    filename=path, strict=True,
                    revise_keys=[(r'^model\.', '')]))))
    built.init_weights()
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(built(x), model(x), atol=1e-5, rtol=0)


class Outer(BaseModule):
    """A model whose part is converted; it initializes its children."""

    def __init__(self, part):
        super().__init__(dict(type='Constant', layer='Linear', val=3))
        self.part = MODELS.build(part)
        self.last = nn.Linear(2, 2)


def test_a_part_of_a_model(original):
    model, path = original
    part = converted(
        dict(conv_cfg=EXACT, init='project', include='block'),
        init_cfg=dict(type='Pretrained', checkpoint=path))
    outer = MODELS.build(dict(type=Outer, part=part))
    outer.init_weights()
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(
        outer.part.block.conv(x), model.block.conv(x), atol=1e-5, rtol=0)
    assert (outer.last.weight == 3).all()
    assert not any(
        hasattr(module, '_params_init_info') for module in outer.modules())


def test_device_and_dtype_of_the_model_count(original):
    model, path = original
    built = MODELS.build(
        converted(dict(conv_cfg=EXACT, init='project', checkpoint=path)))
    built.double().init_weights()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(
        built(x), model.double()(x), atol=1e-6, rtol=0)


@pytest.mark.parametrize('kwargs, error, message', [
    (dict(replace=dict(inclde='head')), TypeError, 'inclde.*include'),
    (dict(replace=dict(init='random')), ValueError, "None or 'project'"),
    (dict(replace=dict(exclude='block.conv|head')), ValueError,
     'no convolution was replaced'),
    (dict(original=dict(type='Tiny')), TypeError, 'must be the type'),
    (dict(backbne=1), TypeError, 'backbne'),
])
def test_bad_options(kwargs, error, message):
    with pytest.raises(error, match=message):
        MODELS.build({**converted(), **kwargs})


def test_keys_of_an_inherited_config_stay_in_place(tmp_path):
    pytest.importorskip('mmpretrain')
    (tmp_path / 'config.py').write_text(
        "_base_ = 'mmpretrain::resnet/resnet18_8xb32_in1k.py'\n"
        "custom_imports = dict(imports=['mmacda'],\n"
        '                      allow_failed_imports=False)\n'
        "model = dict(type='WithReplacedConvs', original='ImageClassifier',\n"
        "             replace=dict(include=r'layer4.*conv2'))\n",
            encoding='utf-8')
    cfg = Config.fromfile(tmp_path / 'config.py')
    assert cfg.model.backbone.depth == 18
    cfg.merge_from_dict({'model.head.num_classes': 7})
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
    assert type(model).__name__ == 'ImageClassifier'
    assert model.head.fc.out_features == 7
    layers = [n for n, m in model.named_modules() if isinstance(m, ACDAConv)]
    assert layers == ['backbone.layer4.0.conv2', 'backbone.layer4.1.conv2']
