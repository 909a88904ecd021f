"""Each config with classes in place of names, as pure-Python configs have."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import (DATASETS, MODELS, OPTIM_WRAPPERS, TRANSFORMS,
                               WEIGHT_INITIALIZERS, DefaultScope)

import mmacda  # noqa: F401
from mmacda.apis.runner_command import _skip_bad_files
from mmacda.apis.inspection import channel_order
from mmacda.registry_types import resolve_type

CONFIGS = Path(__file__).parents[2] / 'configs'
LEAVES = sorted(
    path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts)
KEYS = dict(init_cfg=WEIGHT_INITIALIZERS, pipeline=TRANSFORMS,
            override=WEIGHT_INITIALIZERS)


def with_classes(node, registry):
    """A copy in which every type that is a name is what it stands for."""
    if isinstance(node, (list, tuple)):
        return type(node)(with_classes(item, registry) for item in node)
    if not isinstance(node, dict):
        return node
    node = {
        key: with_classes(value, KEYS.get(key, registry))
        for key, value in node.items()
    }
    for key in ('type', 'original'):
        if isinstance(node.get(key), str):
            # What is in a registry of the framework's own stays a name.
            node[key] = resolve_type(node[key], registry) or node[key]
    return node


def built(model, device='meta'):
    """What can be seen of a model, but for the form of its init_cfg."""
    with torch.device(device):
        model = MODELS.build(model)
    text = [
        line for line in repr(model).splitlines()
        if not line.lstrip().startswith('init_cfg=')
    ]
    return text, {k: v.shape for k, v in model.state_dict().items()}


def loaders(cfg):
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        found = cfg.get(key) or []
        yield from found if isinstance(found, list) else [found]


def find_pipelines(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == 'pipeline':
                yield value
            else:
                yield from find_pipelines(value)
    elif isinstance(node, list):
        for item in node:
            yield from find_pipelines(item)


@pytest.fixture(scope='module')
def seen():
    """Parts that several configs share are built once."""
    return set()


@pytest.mark.parametrize('name', LEAVES)
def test_classes_build_what_names_do(name, seen):
    family = name.partition('/')[0]
    if family in ('mmdet', 'mmseg', 'mmpose'):
        pytest.importorskip(family)
    cfg = Config.fromfile(CONFIGS / name)
    scope = cfg.get('default_scope', 'mmengine')
    pytest.importorskip(scope)
    with DefaultScope.overwrite_default_scope(scope):
        if repr(cfg.model) not in seen:
            seen.add(repr(cfg.model))
            # mmpretrain's backbones compute drop-path rates with tensors.
            device = 'cpu' if name.startswith(('replace/', 'resnet/')) \
                else 'meta'
            assert built(with_classes(cfg.model, MODELS), device) \
                == built(cfg.model, device)
        for loader in loaders(cfg):
            dataset = loader['dataset']
            if repr(dataset) in seen:
                continue
            seen.add(repr(dataset))
            twin = with_classes(dataset, DATASETS)
            for ours, theirs in zip(
                    find_pipelines(twin), find_pipelines(dataset)):
                for a, b in zip(ours, theirs):
                    a, b = TRANSFORMS.build(a), TRANSFORMS.build(b)
                    assert type(a) is type(b)
                    assert str(vars(a)).split(' at 0x')[0] \
                        == str(vars(b)).split(' at 0x')[0]
            model = torch.nn.Module()
            orders = []
            for form in (dataset, twin):
                model.cfg = Config(
                    dict(
                        default_scope=scope,
                        test_dataloader=dict(dataset=form)))
                orders.append(channel_order(model))
                _skip_bad_files(form)
            assert orders[0] == orders[1]
            assert 'skip_bad_files' in str(twin) or \
                'skip_bad_files' not in str(dataset)
        if cfg.get('optim_wrapper'):
            with_classes({'type': cfg.optim_wrapper.get(
                'type', 'OptimWrapper')}, OPTIM_WRAPPERS)


def test_a_pure_python_config(tmp_path):
    """MMEngine's own: types are imported when they are read."""
    (tmp_path / 'config.py').write_text(
        'from mmengine.model import PretrainedInit\n'
        'from mmacda.layers import ACDAConv, AtomGenerator\n'
        'from mmacda.models import AdResNet\n'
        "model = dict(type=AdResNet, arch='s', acda_cfg=dict(\n"
        '    type=ACDAConv, atom_generator=dict(type=AtomGenerator)),\n'
        "    init_cfg=[dict(type=PretrainedInit, checkpoint='a.pth')])\n", encoding='utf-8')
    cfg = Config.fromfile(tmp_path / 'config.py', lazy_import=True)
    plain = dict(
        type='AdResNet', arch='s',
        init_cfg=[dict(type='Pretrained', checkpoint='a.pth')])
    assert built(cfg.model) == built(plain)
    # A dumped one names classes by their paths.
    cfg.dump(tmp_path / 'dumped.py')
    dumped = Config.fromfile(tmp_path / 'dumped.py', lazy_import=False)
    assert isinstance(dumped.model.type, str)
    assert built(dumped.model) == built(plain)
