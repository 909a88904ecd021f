"""Our models by name, from a checkout and from an installed package."""
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tests import fresh

ROOT = Path(__file__).parents[2]
NAME = 'ad-resnet-s_8xb32_in1k'


@pytest.fixture(scope='module')
def hub():
    return pytest.importorskip('mmpretrain.apis')


@pytest.fixture(scope='module')
def registered(hub):
    from mmacda.apis import register_models
    return register_models()


def test_list_models(hub, registered):
    from mmacda.apis import register_models
    assert NAME in registered
    assert set(registered) <= set(hub.list_models())
    assert NAME in hub.list_models('ad-resnet', task='Image Classification')
    assert 'resnet18_8xb32_in1k' in hub.list_models('resnet18')
    assert register_models() == registered  # a second call changes nothing


def test_get_model(hub, registered):
    model = hub.get_model(NAME, backbone=dict(out_indices=(1, 3)))
    assert sum(p.numel() for p in model.parameters()) == 3616648
    features = model.backbone(torch.rand(1, 3, 32, 32))
    assert [f.shape[1] for f in features] == [128, 512]
    assert len(model._dataset_meta['classes']) == 1000


def test_registered_are_the_classifiers(hub, registered):
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(
        encoding='utf-8'))
    models = [
        model for path in index['Import']
        for model in yaml.safe_load((ROOT / path).read_text(
            encoding='utf-8'))['Models']
    ]
    classifiers = {
        model['Name']: ROOT / model['Config']
        for model in models
        if model['Results'][0]['Task'] == 'Image Classification'
    }
    assert len(classifiers) < len(models)
    assert set(registered) == set(classifiers)
    for name, path in classifiers.items():
        config = hub.model.ModelHub.get(name).config
        assert Path(config.filename) == path
        assert config.default_scope == 'mmpretrain'


def test_inferencer_with_config_and_checkpoint(hub, tmp_path):
    config = ROOT / 'configs/ad_resnet/ad-resnet-s_8xb16_cifar10.py'
    torch.manual_seed(0)
    source = hub.get_model(str(config))
    checkpoint = tmp_path / 'checkpoint.pth'
    torch.save(dict(state_dict=source.state_dict()), checkpoint)
    pixels = np.random.default_rng(0).integers(
        0, 256, (32, 32, 3), dtype=np.uint8)
    image = tmp_path / 'image.png'
    Image.fromarray(pixels).save(image)
    inferencer = hub.ImageClassificationInferencer(
        str(config), pretrained=str(checkpoint), device='cpu')
    result, = inferencer(str(image))
    # The same by hand: BGR as loaded, normalised by the config's values.
    mean, std = (torch.tensor(inferencer.config.data_preprocessor[key])
                 for key in ('mean', 'std'))
    x = torch.from_numpy(pixels[..., ::-1].copy()).float()
    x = ((x - mean) / std).permute(2, 0, 1)[None]
    with torch.no_grad():
        scores = source.head((source.backbone(x)[-1].mean((2, 3)), ))
    expected = scores.softmax(1)[0].numpy()
    np.testing.assert_allclose(result['pred_scores'], expected, atol=1e-5)
    assert result['pred_label'] == expected.argmax()
    assert result['pred_class'] in inferencer.classes


def test_from_an_installed_package(hub, tmp_path):
    """What a wheel lays out: the index, configs and tools in mmacda/.mim."""
    package = tmp_path / 'mmacda'
    ignore = shutil.ignore_patterns('__pycache__', '.mim')
    shutil.copytree(ROOT / 'mmacda', package, ignore=ignore)
    shutil.copytree(ROOT / 'configs', package / '.mim' / 'configs')
    shutil.copy(ROOT / 'model-index.yml', package / '.mim')
    code = ('import mmacda.apis as a; from mmpretrain import get_model; '
            f'a.register_models(); m = get_model({NAME!r}); '
            'print(m._metainfo.config.filename)')
    result = fresh.run('-c', code, cwd=tmp_path, path=tmp_path,
                       HOME=str(tmp_path), PATH='')
    assert result.returncode == 0, result.stderr
    config = package / '.mim' / 'configs' / 'ad_resnet' / f'{NAME}.py'
    assert result.stdout.strip().endswith(str(config))


def test_package_without_index(monkeypatch, tmp_path):
    from mmacda.apis import model_hub
    monkeypatch.setattr(model_hub, '__file__',
                        str(tmp_path / 'mmacda' / 'apis' / 'model_hub.py'))
    with pytest.raises(FileNotFoundError, match='model-index.yml'):
        model_hub.metadata_root()
