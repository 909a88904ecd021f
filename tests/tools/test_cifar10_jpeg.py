"""CIFAR-10 as folders of JPEGs, from files in its own layout."""
import hashlib
import pickle
import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('mmpretrain')
from mmpretrain.datasets import CIFAR10

from tools.dataset_converters import cifar10_jpeg

LABELS = [3, 0, 3]  # cat, airplane, cat


def write_batch(folder, name, brightness):
    """Three pictures of one colour, red first as CIFAR-10 stores them."""
    data = np.zeros((3, 3, 1024), np.uint8)
    data[:, 0] = np.array(brightness)[:, None]
    content = pickle.dumps(
        dict(data=data.reshape(3, -1), labels=LABELS, label_names=[]))
    (folder / name).write_bytes(content)
    return [name, hashlib.md5(content).hexdigest()]


@pytest.fixture
def call(tmp_path, monkeypatch):
    folder = tmp_path / 'data' / CIFAR10.base_folder
    folder.mkdir(parents=True)
    monkeypatch.setattr(CIFAR10, 'train_list', [
        write_batch(folder, f'data_batch_{i}', [100 + i, 20, 200 + i])
        for i in (1, 2)])
    monkeypatch.setattr(CIFAR10, 'test_list', [
        write_batch(folder, 'test_batch', [9, 90, 50])])
    name, md5 = write_batch(folder, 'batches.meta', [0, 0, 0])
    monkeypatch.setattr(CIFAR10, 'meta', dict(CIFAR10.meta, md5=md5))
    monkeypatch.setattr(sys, 'argv', [
        'cifar10_jpeg.py', '--data-root', str(tmp_path / 'data'), '--out-dir',
        str(tmp_path / 'out')])
    return cifar10_jpeg.main


def test_pictures_lie_by_class_in_their_order(call, tmp_path):
    call()
    pictures = {str(path.relative_to(tmp_path / 'out')): Image.open(path)
                for path in sorted((tmp_path / 'out').rglob('*.jpg'))}
    reds = {name: round(np.asarray(picture)[..., 0].mean())
            for name, picture in pictures.items()}
    expected = {
        'test/airplane/0000.jpg': 90, 'test/cat/0000.jpg': 9,
        'test/cat/0001.jpg': 50, 'train/airplane/0000.jpg': 20,
        'train/airplane/0001.jpg': 20, 'train/cat/0000.jpg': 101,
        'train/cat/0001.jpg': 201, 'train/cat/0002.jpg': 102,
        'train/cat/0003.jpg': 202
    }
    assert list(reds) == list(expected)
    assert all(abs(reds[name] - expected[name]) <= 4 for name in reds)
    assert all(picture.size == (32, 32) for picture in pictures.values())


def test_what_is_there_is_not_replaced(call, tmp_path, capsys):
    (tmp_path / 'out').mkdir()
    with pytest.raises(SystemExit, match='1'):
        call()
    assert 'is there already' in capsys.readouterr().err
    assert not list((tmp_path / 'out').iterdir())
