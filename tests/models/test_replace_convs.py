"""ReplaceConvs from a config, through MMEngine's Runner."""
import copy
from itertools import count

import pytest
import torch
import torch.nn as nn
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel, BaseModule
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner, save_checkpoint
from torch.utils.data import DataLoader

import mmacda.patches  # noqa: F401
from mmacda.layers import ACDAConv

EXACT = dict(type='ACDAConv', num_atoms=9, atom_bases=None)
RUN = count()


class Block(BaseModule):
    """Initializes in a method of its own that never asks whether it ran."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.keep = nn.Conv2d(8, 8, 1)
        self.calls = 0

    def init_weights(self):
        self.calls += 1
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.1)


class Tiny(BaseModel):
    """Unguarded as well, with a framework's bulk initialization on top."""

    def __init__(self, data_preprocessor=None, init_cfg=None):
        super().__init__(data_preprocessor, init_cfg or [
            dict(type='Kaiming', layer='Conv2d'),
            dict(type='Constant', val=1, layer='BatchNorm2d')
        ])
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.block = Block()
        self.head = nn.Conv2d(8, 2, 3, padding=1)

    def init_weights(self):
        super().init_weights()
        nn.init.normal_(self.stem.weight, std=0.2)
        nn.init.constant_(self.norm.weight, 0.5)

    def features(self, x):
        x = self.block.keep(self.block.conv(self.norm(self.stem(x))))
        return self.head(x.relu())

    def forward(self, inputs, mode='tensor'):
        x = self.features(torch.stack(list(inputs)))
        return dict(loss=x.square().mean()) if mode == 'loss' else x


class Spy(Hook):
    """Keeps the weights that training starts from."""

    def before_train(self, runner):
        self.iteration = runner.iter
        self.state = copy.deepcopy(runner.model.state_dict())


def make_runner(model, work_dir, lr=0.1, max_iters=2, **kwargs):
    data = [dict(inputs=torch.randn(3, 8, 8)) for _ in range(4)]
    spy = Spy()
    runner = Runner(
        model=model,
        work_dir=str(work_dir),
        train_dataloader=DataLoader(data, batch_size=2),
        train_cfg=dict(by_epoch=False, max_iters=max_iters),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=lr)),
        default_hooks=dict(checkpoint=dict(
            type='CheckpointHook', interval=1, by_epoch=False)),
        custom_hooks=[spy],
        experiment_name=f'replace_convs_{next(RUN)}',
        **kwargs)
    return runner, spy


@pytest.fixture
def original(tmp_path):
    torch.manual_seed(0)
    model = Tiny()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    path = str(tmp_path / 'original.pth')
    save_checkpoint(dict(state_dict=model.state_dict()), path)
    return model, path


def test_warm_start_survives_the_runner(original, tmp_path):
    model, path = original
    x = torch.randn(2, 3, 8, 8)
    runner, spy = make_runner(
        dict(type='ReplaceConvs', model=dict(type=Tiny), conv_cfg=EXACT,
             checkpoint=path, init='project'), tmp_path)
    assert type(runner.model) is Tiny
    assert isinstance(runner.model.block.conv, ACDAConv)
    torch.testing.assert_close(
        (runner.model.eval(), runner.model(x))[1],
        (model.eval(), model(x))[1], atol=1e-5, rtol=0)
    built = copy.deepcopy(runner.model.state_dict())
    runner.train()
    assert spy.iteration == 0
    for name, value in spy.state.items():
        assert torch.equal(value, built[name]), name
    for name in ('stem.weight', 'norm.weight', 'block.keep.weight'):
        assert torch.equal(spy.state[name], model.state_dict()[name])
    assert not torch.equal(runner.model.block.conv.weight,
                           built['block.conv.weight'])


@pytest.mark.parametrize('init', [None, 'project'])
def test_the_usual_init_is_applied_once(init, tmp_path):
    """On the original, so that both starts see the weights they replace."""
    runner, spy = make_runner(
        dict(type='ReplaceConvs', model=dict(type=Tiny), init=init), tmp_path)
    assert runner.model.block.calls == 1
    built = copy.deepcopy(runner.model.state_dict())
    runner.train()
    assert runner.model.block.calls == 1
    assert all(torch.equal(v, built[k]) for k, v in spy.state.items())
    assert (built['norm.weight'] == 0.5).all()
    assert built['stem.weight'].std().item() == pytest.approx(0.2, rel=0.2)
    assert built['block.keep.weight'].std().item() == pytest.approx(
        0.1, rel=0.4)


@pytest.mark.parametrize('init', [None, 'project'])
def test_pretrained_init_cfg(init, original, tmp_path):
    model, path = original
    inner = dict(
        type=Tiny, init_cfg=dict(type='Pretrained', checkpoint=path))
    runner, spy = make_runner(
        dict(type='ReplaceConvs', model=inner, conv_cfg=EXACT, init=init,
             include='block'), tmp_path)
    runner.train()
    for name in ('block.keep.weight', 'head.weight', 'head.bias'):
        assert torch.equal(spy.state[name], model.state_dict()[name])
    x = torch.randn(2, 8, 6, 6)
    runner.model.load_state_dict(spy.state)
    error = (runner.model.block.conv(x) - model.block.conv(x)).abs().max()
    assert (error < 1e-5) == (init == 'project')


def test_resume_and_load_from(original, tmp_path):
    _, path = original
    cfg = dict(type='ReplaceConvs', model=dict(type=Tiny), checkpoint=path,
               init='project')
    runner, _ = make_runner(copy.deepcopy(cfg), tmp_path)
    runner.train()
    trained = runner.model.state_dict()

    resumed, spy = make_runner(
        copy.deepcopy(cfg), tmp_path, resume=True, max_iters=3)
    resumed.train()
    assert spy.iteration == 2
    assert all(torch.equal(v, trained[k]) for k, v in spy.state.items())

    loaded, spy = make_runner(
        dict(type='ReplaceConvs', model=dict(type=Tiny)), tmp_path / 'next',
        load_from=str(tmp_path / 'iter_2.pth'))
    loaded.train()
    assert spy.iteration == 0
    assert all(torch.equal(v, trained[k]) for k, v in spy.state.items())


def test_converted_model_can_be_copied_and_saved(original, tmp_path):
    """As the EMA hook and a whole-model checkpoint do."""
    model = MODELS.build(
        dict(type='ReplaceConvs', model=dict(type=Tiny),
             checkpoint=original[1], init='project'))
    twin = copy.deepcopy(model)
    twin.init_weights()
    torch.save(model, tmp_path / 'model.pth')
    loaded = torch.load(tmp_path / 'model.pth', weights_only=False)
    loaded.init_weights()
    for name, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name])
        assert torch.equal(value, loaded.state_dict()[name])


def test_checkpoint_must_hold_the_replaced_weights(original, tmp_path):
    model, _ = original
    path = str(tmp_path / 'renamed.pth')
    state = {f'model.{k}': v for k, v in model.state_dict().items()}
    torch.save(dict(state_dict=state), path)
    cfg = dict(type='ReplaceConvs', model=dict(type=Tiny), conv_cfg=EXACT,
               init='project')
    with pytest.raises(ValueError, match="2 of the 2.*'block.conv'"):
        MODELS.build(dict(cfg, checkpoint=path))
    with pytest.raises(RuntimeError, match='norm.weight'):
        MODELS.build(
            dict(cfg, checkpoint=dict(filename=path, strict=True)))
    converted = MODELS.build(
        dict(
            cfg,
            checkpoint=dict(
                filename=path, strict=True,
                revise_keys=[(r'^model\.', '')])))
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(converted(x), model(x), atol=1e-5, rtol=0)
    # One of a converted model is no original.
    path = str(tmp_path / 'converted.pth')
    save_checkpoint(dict(state_dict=converted.state_dict()), path)
    with pytest.raises(ValueError, match='load_from'):
        MODELS.build(dict(cfg, checkpoint=path))


def test_keys_beside_the_model_reach_it(tmp_path):
    preprocessor = dict(type='ImgDataPreprocessor', mean=[1.], std=[2.])
    runner, _ = make_runner(
        dict(type='ReplaceConvs', model=dict(type=Tiny)), tmp_path,
        data_preprocessor=preprocessor)
    assert runner.model.data_preprocessor.mean.item() == 1
    own = dict(type='ImgDataPreprocessor', mean=[3.], std=[2.])
    runner, _ = make_runner(
        dict(type='ReplaceConvs',
             model=dict(type=Tiny, data_preprocessor=own)), tmp_path,
        data_preprocessor=preprocessor)
    assert runner.model.data_preprocessor.mean.item() == 3
    init_cfg = dict(type='Constant', layer='Conv2d', val=0)
    with pytest.raises(ValueError, match='model.model.init_cfg'):
        MODELS.build(
            dict(type='ReplaceConvs',
                 model=dict(type=Tiny, init_cfg=init_cfg),
                 init_cfg=init_cfg))
    with pytest.raises(TypeError, match='inclde'):
        MODELS.build(
            dict(type='ReplaceConvs', model=dict(type=Tiny), inclde='head'))


def test_nothing_to_replace_is_an_error():
    with pytest.raises(ValueError, match='0 convolutions replaced'):
        MODELS.build(
            dict(type='ReplaceConvs', model=dict(type=Tiny),
                 exclude='block.conv|head'))


CLASSIFIER = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet',
        depth=18,
        in_channels=1,
        stem_channels=8,
        base_channels=8),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=10,
        in_channels=64,
        loss=dict(type='CrossEntropyLoss')))


@pytest.mark.parametrize('scope, inner', [
    ('mmpretrain', CLASSIFIER),
    ('mmengine', dict(CLASSIFIER, _scope_='mmpretrain')),
    ('mmengine', dict(type='mmpretrain.ResNet', depth=18)),
])
def test_framework_models_are_found_from_any_scope(scope, inner):
    pytest.importorskip('mmpretrain')
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(
            dict(type='ReplaceConvs', model=inner, include='layer4'))
    assert type(model).__name__ == inner['type'].split('.')[-1]
    backbone = getattr(model, 'backbone', model)
    assert isinstance(backbone.layer4[1].conv2, ACDAConv)
    assert isinstance(backbone.layer3[1].conv2, nn.Conv2d)


def test_mmpretrain_classifier_warm_starts_in_the_runner(tmp_path):
    """The checkpoint holds the backbone; the head gets its usual init."""
    pytest.importorskip('sklearn')
    pytest.importorskip('mmpretrain').utils.register_all_modules(False)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        original = MODELS.build(copy.deepcopy(CLASSIFIER)).backbone
    for name, parameter in original.named_parameters():
        if 'bn' in name:  # as zeros, they would hide every branch
            nn.init.uniform_(parameter, 0.5, 1)
    path = str(tmp_path / 'resnet18.pth')
    save_checkpoint(dict(state_dict=original.state_dict()), path)
    model = dict(
        type='ReplaceConvs',
        model=CLASSIFIER,
        conv_cfg=EXACT,
        checkpoint=dict(filename=path, revise_keys=[(r'^', 'backbone.')]),
        init='project')
    digits = dict(
        type='Digits',
        split='train',
        indices=8,
        pipeline=[dict(type='Resize', scale=32), dict(type='PackInputs')])
    runner = Runner.from_cfg(
        Config(
            dict(
                default_scope='mmpretrain',
                model=model,
                data_preprocessor=dict(
                    num_classes=10, mean=[80.], std=[96.]),
                train_dataloader=dict(
                    batch_size=4,
                    dataset=digits,
                    sampler=dict(type='DefaultSampler', shuffle=False)),
                train_cfg=dict(by_epoch=True, max_epochs=1),
                optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
                work_dir=str(tmp_path),
                experiment_name=f'replace_convs_{next(RUN)}')))
    model, spy = runner.model, Spy()
    runner.register_hook(spy)
    assert model.data_preprocessor.mean.item() == 80
    x = torch.randn(2, 1, 32, 32)
    for module in (model, original):
        module.eval()
    torch.testing.assert_close(
        model.backbone(x), original(x), atol=1e-5, rtol=1e-5)
    assert model.head.fc.weight.std().item() == pytest.approx(0.01, rel=0.2)
    built = copy.deepcopy(model.state_dict())
    runner.train()
    assert runner.iter == 2
    assert all(torch.equal(v, built[k]) for k, v in spy.state.items())
