"""Degraded photographs: layouts, reproducibility and what the noise is."""
import filecmp
import json
import re

import mmcv
import numpy as np
import pytest
from mmengine.registry import DATASETS

from mmacda.datasets import photographs
from mmacda.datasets.degradation import (Lens, add_camera_noise, blur, reduce,
                                         smooth_field, to_linear, to_srgb)
from mmacda.datasets.photographs import (SPLITS, read_photograph,
                                         write_photographs)
from tests.forks import run_forks

pytest.importorskip('skimage')


@pytest.fixture
def small(monkeypatch):
    """One photograph per split, small crops of them."""
    full = read_photograph
    monkeypatch.setattr(photographs, 'read_photograph',
                        lambda name: full(name)[100:150, 100:137])
    monkeypatch.setattr(photographs, 'SPLITS',
                        {key: names[:1] for key, names in SPLITS.items()})


def files(folder):
    return sorted(p.relative_to(folder).as_posix()
                  for p in folder.rglob('*') if p.is_file())


def test_no_picture_is_in_both_splits():
    train, test = map(set, SPLITS.values())
    assert not train & test
    # The two views of one scene that scikit-image has.
    assert 'motorcycle_right.png' not in train | test
    for name in train | test:
        image = read_photograph(name)
        assert image.dtype == np.uint8 and image.shape[2] == 3
        assert min(image.shape[:2]) >= 300


def test_photographs_are_rgb():
    """The astronaut's suit is orange."""
    red, green, blue = read_photograph('astronaut.png')[400, 100]
    assert red > green > blue


def test_sidd_layout(small, tmp_path):
    folder = tmp_path / 'sidd'
    write_photographs(str(tmp_path), 'sidd')
    names = [name for name in files(folder) if name.endswith('.PNG')]
    pattern = re.compile(
        r'(train|test)/Data/(\d{4})_\d{3}_GP_\d{5}_\d{5}_\d{4}_N/'
        r'\2_(GT|NOISY)_SRGB_010\.PNG')
    assert len(names) == 12 and all(map(pattern.fullmatch, names))
    psnrs = []
    for name in (n for n in names if 'NOISY' in n and n[:5] == 'train'):
        noisy = mmcv.imread(folder / name)
        clean = mmcv.imread(folder / name.replace('NOISY', 'GT'))
        assert np.array_equal(clean[..., ::-1],
                              photographs.read_photograph('astronaut.png'))
        error = np.square(noisy.astype(float) - clean).mean()
        psnrs.append(10 * np.log10(255**2 / error))
    # The instances are ordered by sensitivity.
    assert psnrs == sorted(psnrs, reverse=True) and 15 < psnrs[-1] < 30


@pytest.mark.parametrize('layout', ['realsr', 'realsr_v3'])
def test_realsr_layout(small, tmp_path, layout):
    folder = tmp_path / layout
    write_photographs(str(tmp_path), layout)
    names = [name for name in files(folder) if name.endswith('.png')]
    expected = [
        f'{camera}/{split}/{scale}/{camera}_001_{kind}.png'
        for camera in ('Canon', 'Nikon') for split in ('Train', 'Test')
        for scale in (2, 3, 4) for kind in ('HR', f'LR{scale}')
    ]
    assert names == sorted(expected)
    for name in (n for n in names if 'HR' not in n):
        scale = int(name[-5])
        low = mmcv.imread(folder / name)
        high = mmcv.imread(folder / name.replace(f'LR{scale}', 'HR'))
        assert high.shape == (48, 36, 3)
        ratio = 1 if layout == 'realsr' else scale
        assert low.shape == (48 // ratio, 36 // ratio, 3)
        # Aligned: what is left after shrinking both is small.
        size = (36 // scale, 48 // scale)
        pair = [mmcv.imresize(image, size, interpolation='area').astype(float)
                for image in (low, high)]
        assert abs(pair[0] - pair[1]).mean() < 0.1 * np.ptp(pair[1])


def test_content_depends_on_the_seed_alone(small, tmp_path):
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        write_photographs(str(tmp_path / name), 'sidd', seed)
    names = files(tmp_path / 'a')
    assert filecmp.cmpfiles(tmp_path / 'a', tmp_path / 'b', names,
                            shallow=False)[0] == names
    noisy = [name for name in names if 'NOISY' in name]
    assert filecmp.cmpfiles(tmp_path / 'a', tmp_path / 'c', noisy,
                            shallow=False)[0] == []


def test_is_written_once(small, tmp_path):
    folder = tmp_path / 'sidd'
    write_photographs(str(tmp_path), 'sidd')
    before = {name: (folder / name).stat().st_mtime_ns
              for name in files(folder)}
    write_photographs(str(tmp_path), 'sidd')
    assert before == {name: (folder / name).stat().st_mtime_ns
                      for name in files(folder)}
    assert [p.name for p in tmp_path.iterdir()] == ['sidd']


def test_two_processes(small, tmp_path):
    run_forks(lambda: write_photographs(str(tmp_path), 'realsr'), tmp_path,
              2 * [{}])
    assert [p.name for p in tmp_path.iterdir()] == ['realsr']
    assert len(files(tmp_path / 'realsr')) == 25


def test_other_content_is_not_touched(small, tmp_path):
    write_photographs(str(tmp_path), 'sidd')
    with pytest.raises(FileExistsError, match="sidd holds .*'seed': 0.*'see"):
        write_photographs(str(tmp_path), 'sidd', seed=1)
    (tmp_path / 'realsr').mkdir()
    (tmp_path / 'realsr' / 'mine.txt').write_text('mine', encoding='utf-8')
    with pytest.raises(FileExistsError, match='something else'):
        write_photographs(str(tmp_path), 'realsr')
    assert files(tmp_path / 'realsr') == ['mine.txt']
    assert json.loads((tmp_path / 'sidd/photographs.json').read_text(
        encoding='utf-8'))[
        'seed'] == 0
    with pytest.raises(ValueError, match="layout must be one of .*'sid'"):
        write_photographs(str(tmp_path), 'sid')


def test_interrupted_writing_leaves_nothing(small, tmp_path, monkeypatch):

    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(photographs, '_write_noise', fail)
    with pytest.raises(KeyboardInterrupt):
        write_photographs(str(tmp_path), 'sidd')
    assert not list(tmp_path.iterdir())


def test_any_dataset_reads_them(small, tmp_path):
    pytest.importorskip('mmagic')
    dataset = DATASETS.build(
        dict(
            type='Photographs',
            layout='sidd',
            data_root=str(tmp_path),
            dataset=dict(
                type='mmagic.BasicImageDataset',
                data_prefix=dict(img='train/Data', gt='train/Data'),
                filename_tmpl=dict(
                    img='{}_NOISY_SRGB_010', gt='{}_GT_SRGB_010'),
                recursive=True,
                pipeline=[dict(type='LoadImagePair')])))
    assert len(dataset) == 3
    sample = dataset[0]
    assert sample['gt'].shape == sample['img'].shape == (50, 37, 3)
    assert not np.array_equal(sample['gt'], sample['img'])


def test_missing_photograph():
    with pytest.raises(FileNotFoundError, match='no .*nothing.png'):
        read_photograph('nothing.png')


def test_srgb_curve():
    """Middle grey, and the two pieces meet (IEC 61966-2-1)."""
    values = np.linspace(0, 1, 256)
    assert np.allclose(to_srgb(to_linear(values)), values)
    assert to_linear(np.array([0.5])) == pytest.approx(0.214041, abs=1e-6)


@pytest.mark.parametrize('level, iso', [(0.3, 400), (0.7, 1600)])
def test_noise_has_the_variance_that_it_says(level, iso):
    """Over its standard deviation, the error is white noise everywhere."""
    shape = (160, 160)
    image = np.full((*shape, 3), level)
    noisy = add_camera_noise(image, iso, np.random.default_rng(3))
    illumination = smooth_field(shape, 0.5, 2, np.random.default_rng(3))
    axis = np.linspace(-1, 1, 160)
    vignetting = 1 + 3 * (axis[:, None]**2 + axis**2) / 2
    gain = (iso / 100 * vignetting * illumination)[..., None]
    light = to_linear(image)
    deviation = np.sqrt(gain * 1e-4 * light + (gain * 1.5e-4)**2)
    white = (to_linear(noisy) - light) / deviation
    blocks = white.reshape(4, 40, 4, 40, 3).std((1, 3, 4))
    assert np.allclose(blocks, 1, atol=0.05)
    assert abs(white.mean()) < 0.02
    assert illumination.min() == 0.5 and illumination.max() == 2


def test_noise_depends_on_place_and_signal():
    rng = np.random.default_rng(0)
    image = np.full((200, 200, 3), 0.2)
    image[:, 100:] = 0.8
    error = to_linear(add_camera_noise(image, 1600, rng)) - to_linear(image)
    dark, bright = (error[80:120, half].std()
                    for half in (slice(60, 100), slice(100, 140)))
    assert bright > 1.5 * dark
    assert error[:20, 180:].std() > 1.3 * error[90:110, 100:120].std()


def test_blur_is_gaussian_of_the_width_at_each_pixel():
    """A line of unit mass spreads to the variance asked for."""
    image = np.zeros((9, 121, 3))
    image[:, [30, 90]] = 1
    deviation = np.where(np.arange(121) < 60, 1., 3.) * np.ones((9, 1))
    result = blur(image, deviation)[4, :, 0]
    for centre, width in ((30, 1.), (90, 3.)):
        x = np.arange(-15, 16)
        line = result[centre - 15:centre + 16]
        assert line.sum() == pytest.approx(1, abs=1e-6)
        assert (line * x**2).sum() == pytest.approx(width**2, rel=0.05)


def test_reduce_is_sharp_in_the_centre():
    """Of a fine pattern, more is left in the centre than in a corner."""
    y, x = np.indices((240, 240))
    image = np.repeat((((x // 6 + y // 6) % 2) * 0.8 + 0.1)[..., None], 3, 2)
    low = reduce(image, 2, Lens(0.3, 1.5), np.random.default_rng(0))
    assert low.shape == (120, 120, 3)
    assert low[50:70, 50:70].std() > 1.3 * low[:20, :20].std()
