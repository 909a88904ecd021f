"""RealSR's folders and pairs, and errors that name the file."""
import numpy as np
import pytest
from mmengine.registry import DATASETS, TRANSFORMS
from PIL import Image

pytest.importorskip('mmagic')


def write(path, size, colour=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path)))
    pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    if colour is not None:
        pixels[:] = colour
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path):
    """Two pairs per camera at x3 in Train, and another scale beside."""
    for camera in ('Canon', 'Nikon'):
        for number in (1, 2):
            stem = f'{camera}/Train/3/{camera}_{number:03}'
            write(tmp_path / f'{stem}_HR.png', (12, 18))
            write(tmp_path / f'{stem}_LR3.png', (12, 18), (number, 0, 255))
        write(tmp_path / f'{camera}/Train/2/{camera}_001_HR.png', (12, 18))
        write(tmp_path / f'{camera}/Test/3/{camera}_001_HR.png', (12, 18))
        write(tmp_path / f'{camera}/Test/3/{camera}_001_LR3.png', (12, 18))
    return tmp_path


def build(root, **kwargs):
    config = dict(
        type='RealSR',
        data_root=str(root),
        scale=3,
        split='Train',
        pipeline=[dict(type='LoadImagePair')])
    return DATASETS.build({**config, **kwargs})


def test_both_cameras(root):
    dataset = build(root)
    samples = list(dataset)
    names = sorted(sample['key'] for sample in samples)
    assert names == ['Canon_001', 'Canon_002', 'Nikon_001', 'Nikon_002']
    for sample in samples:
        number = int(sample['key'][-3:])
        assert sample['img'].shape == sample['gt'].shape == (12, 18, 3)
        assert sample['img'][0, 0].tolist() == [number, 0, 255]  # RGB
        assert f'/{sample["key"]}_HR' in sample['gt_path']
        assert sample['img_channel_order'] == sample[
            'gt_channel_order'] == 'rgb'
        assert sample['scale'] == 1
    assert len(build(root, split='Test')) == 2
    assert len(build(root, cameras=['Nikon'])) == 2


def test_folders_beside_it_do_not_matter(root, monkeypatch):
    """MMEngine would read a metainfo string that names a folder."""
    for name in ('realsr', 'sisr', 'basic_image_dataset', 'editing'):
        (root / name).mkdir()
    monkeypatch.chdir(root)
    assert len(build('.')) == 4


def test_missing_counterparts_are_named(root):
    (root / 'Nikon/Train/3/Nikon_002_LR3.png').unlink()
    with pytest.raises(ValueError, match='Nikon_002_LR3.png is missing: 1 of'):
        build(root)
    with pytest.raises(ValueError, match='Canon_001_LR2.png is missing'):
        build(root, scale=2)


def test_missing_folders(root):
    with pytest.raises(FileNotFoundError, match='Canon/Train/4 does not'):
        build(root, scale=4)
    (root / 'Canon/Train/4').mkdir()
    with pytest.raises(FileNotFoundError, match='no images named'):
        build(root, scale=4)
    with pytest.raises(ValueError, match="split must be .*'train'"):
        build(root, split='train')


def test_sizes_must_fit(root):
    path = root / 'Canon/Test/3/Canon_001_LR3.png'
    write(path, (12, 17))
    message = 'Canon_001_HR.png has 12 x 18 .*Canon_001_LR3.png has 12 x 17'
    with pytest.raises(ValueError, match=message):
        build(root, split='Test', cameras=['Canon'])[0]


def test_smaller_images_of_v3(root):
    path = root / 'Canon/Test/3/Canon_001_LR3.png'
    write(path, (4, 6))
    pipeline = [dict(type='LoadImagePair', scale=3)]
    sample, = build(root, split='Test', cameras=['Canon'], pipeline=pipeline)
    assert sample['img'].shape == (4, 6, 3) and sample['scale'] == 3
    with pytest.raises(ValueError, match='Nikon_001.* expected 3 times'):
        list(build(root, split='Test', pipeline=pipeline))


@pytest.mark.parametrize('content', [b'', b'no picture'])
def test_unreadable_files_are_named(root, content):
    path = root / 'Nikon/Test/3/Nikon_001_HR.png'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='Nikon_001_HR.png cannot be read'):
        list(build(root, split='Test'))


@pytest.mark.parametrize('share', [0.2, 0.6, 0.9])
def test_truncated_png_is_named(root, share):
    path = root / 'Nikon/Test/3/Nikon_001_HR.png'
    content = path.read_bytes()
    path.write_bytes(content[:int(share * len(content))])
    with pytest.raises(ValueError, match='Nikon_001_HR.png cannot be read'):
        list(build(root, split='Test'))


@pytest.mark.parametrize('ending', ['webp', 'PNG', 'TIF', 'jp2'])
def test_pairs_of_other_formats_are_read_and_not_dropped(root, ending):
    folder = root / 'Nikon' / 'Train' / '3'
    for kind in ('HR', 'LR3'):
        path = folder / f'Nikon_002_{kind}.png'
        write(path.with_suffix(f'.{ending}'), (12, 18))
        path.unlink()
        (folder / f'._Nikon_002_{kind}.{ending}').touch()  # of macOS
    assert len(list(build(root, cameras=['Nikon']))) == 2
    (folder / 'Nikon_003_HR.psd').touch()
    with pytest.raises(ValueError, match='003_HR.psd is named as an image'):
        build(root, cameras=['Nikon'])


def test_loading_of_one_image(root):
    """In inference there is no ground truth."""
    path = str(root / 'Canon/Train/3/Canon_001_LR3.png')
    load = TRANSFORMS.build(dict(type='LoadImagePair'))
    results = load(dict(img_path=path))
    assert 'gt' not in results and results['img'].shape == (12, 18, 3)
    with pytest.raises(FileNotFoundError, match='nothing.png does not exist'):
        load(dict(img_path=path, gt_path='nothing.png'))


def test_cache_survives_transforms_in_place(root):
    path = root / 'Canon/Train/3/Canon_001_LR3.png'
    load = TRANSFORMS.build(dict(type='LoadImagePair', cache=True))
    first = load(dict(img_path=str(path)))['img']
    expected = first.copy()
    first[:] = 0
    path.unlink()
    second = load(dict(img_path=str(path)))['img']
    assert np.array_equal(second, expected)
    second[:] = 0
    assert np.array_equal(load(dict(img_path=str(path)))['img'], expected)


def test_bad_scale():
    with pytest.raises(ValueError, match='scale must be a positive integer'):
        TRANSFORMS.build(dict(type='LoadImagePair', scale=0.5))
