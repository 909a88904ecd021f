"""Inference on photographs: tiles, depths, channels, and mmagic's own way."""
import runpy
import sys
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from PIL import Image

from mmacda.apis import RestorationInferencer
from mmacda.apis.read_config import ConfigError

pytest.importorskip('mmagic')

ROOT = Path(__file__).parents[2]


def make_config(upscale=1, **generator):
    version = 'v2' if upscale == 1 else 'v3'
    cfg = Config.fromfile(
        ROOT / f'configs/real_sr/acda-restorer_realsr-{version}-x4.py')
    cfg.model.generator.update(num_blocks=1, mid_channels=8, **generator)
    return cfg


@pytest.fixture(scope='module', params=[1, 4])
def files(request, tmp_path_factory):
    """Config and checkpoint of a small network with some batch statistics."""
    folder = tmp_path_factory.mktemp('model')
    cfg = make_config(request.param)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmagic'):
        model = MODELS.build(cfg.model)
    model.generator.train()(torch.rand(2, 3, 32, 32))
    # Start far from the identity.
    torch.nn.init.normal_(model.generator.up_conv2.weight, std=0.05)
    config, checkpoint = folder / 'config.py', folder / 'weights.pth'
    cfg.dump(config)
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    return str(config), str(checkpoint), request.param


@pytest.fixture(scope='module')
def restore(files):
    return RestorationInferencer(*files[:2], device='cpu')


def picture(*shape, dtype=np.uint8):
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def test_is_the_model_s_prediction(restore):
    """Centred RGB for the network; BGR of 8 bits, rounded, outside."""
    image = picture(21, 30, 3)
    x = torch.from_numpy(image[..., ::-1] / 255.).float().permute(2, 0, 1)
    with torch.no_grad():
        y = restore.model.generator(x[None] - 0.5)[0] + 0.5
    y = y.permute(1, 2, 0).numpy()
    expected = np.round(np.clip(y, 0, 1) * 255)[..., ::-1]
    result = restore(image)
    assert result.dtype == np.uint8 and result.shape == expected.shape
    assert abs(result - expected).max() <= 1
    assert (result == expected).mean() > 0.99
    assert not np.array_equal(result[:21, :30], image)


@pytest.mark.parametrize('size, tile', [((70, 93), 16), ((41, 61), 31),
                                        ((20, 20), 64)])
def test_tiles_leave_no_seams(restore, size, tile):
    """With its receptive field around it, a tile is as in the whole image,
    up to the last bit of what the convolutions sum."""
    image = picture(*size, 3, dtype=np.uint16)
    whole = restore(image).astype(int)
    tiled = restore(image, tile=tile).astype(int)
    assert abs(whole - tiled).max() <= 2  # of 65535
    if tile < min(size):
        seams = abs(whole - restore(image, tile=tile, overlap=0))
        assert seams.max() > 100


def test_all_depths_and_channels(restore):
    image = picture(17, 22, 4)
    colour = restore(image[..., :3])
    assert np.array_equal(restore(image)[..., :3], colour)
    alpha = restore(image)[..., 3]
    scale = colour.shape[0] // 17
    if scale == 1:
        assert np.array_equal(alpha, image[..., 3])
    assert alpha.shape == colour.shape[:2]

    deep = restore(image[..., :3].astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    assert abs(deep / 257 - colour).max() <= 0.51

    grey = restore(image[..., 0])
    expected = restore(np.repeat(image[..., :1], 3, 2)).mean(2)
    assert grey.ndim == 2 and grey.shape == expected.shape
    assert abs(grey - expected).max() <= 1
    assert restore(image[..., :1]).shape == (*grey.shape, 1)


@pytest.mark.parametrize('image, error, message', [
    (np.zeros((4, 4, 3)), TypeError, 'uint8, uint16.*float64'),
    (picture(4, 4, 2), ValueError, r'grey, BGR and BGRA.*\(4, 4, 2\)'),
    (picture(4), ValueError, r'\(4,\)'),
    (picture(0, 4, 3), ValueError, r'\(0, 4, 3\)'),
])
def test_bad_images(restore, image, error, message):
    with pytest.raises(error, match=message):
        restore(image)


def test_configs_of_something_else(tmp_path):
    path = tmp_path / 'bad.py'
    path.write_text('model = dict(', encoding='utf-8')
    with pytest.raises(ConfigError, match='bad.py, line 1: SyntaxError'):
        RestorationInferencer(str(path))
    config = str(ROOT / 'configs/counting/ad-resnet-xs_1xb8_bccd.py')
    with pytest.raises(ValueError, match='DensityCounter is no network for'):
        RestorationInferencer(config, device='cpu')


def test_bad_tiles(restore):
    with pytest.raises(ValueError, match='tile must be positive'):
        restore(picture(4, 4, 3), tile=0)
    with pytest.raises(ValueError, match='overlap must not be negative'):
        restore(picture(4, 4, 3), tile=4, overlap=-1)


def test_files(restore, tmp_path):
    for name, image in (('rgb.png', picture(9, 12, 3)),
                        ('deep.png', picture(9, 12, 3, dtype=np.uint16)),
                        ('grey.png', picture(9, 12)),
                        ('alpha.png', picture(9, 12, 4))):
        mmcv.imwrite(image, str(tmp_path / name))
        out = tmp_path / 'new folder' / name
        restore.file(str(tmp_path / name), str(out))
        result = mmcv.imread(out, flag='unchanged', backend='cv2')
        assert np.array_equal(result, restore(image))
        assert [p.name for p in out.parent.glob(f'*{name[:3]}*')] == [name]


def test_rotation_mark_of_a_camera(restore, tmp_path):
    """A portrait is stored lying, with a mark; it comes out upright."""
    photo = Image.fromarray(picture(8, 24, 3))
    exif = photo.getexif()
    exif[0x0112] = 6  # rotate by 90 degrees
    photo.save(tmp_path / 'photo.jpg', exif=exif)
    restore.file(str(tmp_path / 'photo.jpg'), str(tmp_path / 'out.png'))
    height, width = mmcv.imread(tmp_path / 'out.png').shape[:2]
    assert height == 3 * width


def test_bad_files(restore, tmp_path):
    out = str(tmp_path / 'out.jpg')
    deep, alpha = str(tmp_path / 'deep.png'), str(tmp_path / 'alpha.png')
    mmcv.imwrite(picture(9, 12, 3, dtype=np.uint16), deep)
    mmcv.imwrite(picture(9, 12, 4), alpha)
    with pytest.raises(ValueError, match='has 16 bits, which .*out.jpg can'):
        restore.file(deep, out)
    with pytest.raises(ValueError, match='has an alpha channel, which'):
        restore.file(alpha, out)
    text = tmp_path / 'text.png'
    text.write_text('no picture', encoding='utf-8')
    with pytest.raises(ValueError, match='text.png cannot be read'):
        restore.file(str(text), out)
    with pytest.raises(FileNotFoundError, match='nothing.png'):
        restore.file(str(tmp_path / 'nothing.png'), out)
    assert not Path(out).exists()


def test_profile_and_depth_are_kept(restore, tmp_path):
    profile = b'a profile' * 99
    Image.fromarray(picture(9, 12, 3)).save(
        tmp_path / 'a.jpg', icc_profile=profile)
    restore.file(str(tmp_path / 'a.jpg'), str(tmp_path / 'b.png'))
    assert Image.open(tmp_path / 'b.png').info['icc_profile'] == profile


def test_an_input_is_never_written_to(restore, tmp_path):
    path = tmp_path / 'a.png'
    mmcv.imwrite(picture(9, 12, 3), str(path))
    before = path.read_bytes()
    (tmp_path / 'link.png').symlink_to(path)
    for out in (path, tmp_path / 'link.png'):
        with pytest.raises(ValueError, match='is an input, which is never'):
            restore.file(str(path), str(out))
    with pytest.raises(OSError, match='it is a folder'):
        (tmp_path / 'folder.png').mkdir()
        restore.file(str(path), str(tmp_path / 'folder.png'))
    with pytest.raises(ValueError, match='must end in'):
        restore.file(str(path), str(tmp_path / 'a.jp'))
    assert path.read_bytes() == before


def test_command(files, tmp_path, monkeypatch, capsys):
    config, checkpoint, _ = files
    photos = [str(tmp_path / f'{name}.png') for name in 'ab']
    for photo in photos:
        mmcv.imwrite(picture(20, 24, 3), photo)
    out = tmp_path / 'restored'
    monkeypatch.setattr(sys, 'argv', [
        'restore.py', *photos, '--config', config, '--checkpoint', checkpoint,
        '--out', str(out), '--tile', '16', '--device', 'cpu'
    ])
    runpy.run_path(str(ROOT / 'tools/restore.py'), run_name='__main__')
    assert sorted(p.name for p in out.iterdir()) == ['a.png', 'b.png']
    printed = capsys.readouterr()
    assert '4/4' in printed.err and str(out / 'b.png') in printed.out


def test_mmagic_s_own_way(files, restore, tmp_path):
    """The calls of the README, with our config and checkpoint."""
    from mmagic.apis import init_model
    from mmagic.apis.inferencers import Inferencers
    config, checkpoint, _ = files
    image = picture(21, 30, 3)
    mmcv.imwrite(image, str(tmp_path / 'photo.png'))
    inferencer = Inferencers(
        task='Image Restoration',
        config=config,
        ckpt=checkpoint,
        device='cpu')
    out = str(tmp_path / 'restored.png')
    inferencer(img=str(tmp_path / 'photo.png'), result_out_dir=out)
    assert abs(mmcv.imread(out).astype(int) - restore(image)).max() <= 1
    model = init_model(config, checkpoint, device='cpu')
    assert not model.training
    x = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.allclose(
            model(x, mode='tensor'), restore.model.generator(x))


def test_any_generator_of_mmagic():
    """Networks that do not tell their receptive field, here a small SRCNN
    (4 + 1 + 2 pixels)."""
    cfg = make_config()
    cfg.model.generator = dict(
        type='SRCNNNet', kernel_sizes=(9, 1, 5), upscale_factor=1)
    torch.manual_seed(0)
    restore = RestorationInferencer(cfg, device='cpu')
    image = picture(40, 90, 3, dtype=np.uint16)
    whole = restore(image).astype(int)
    tiled = restore(image, tile=16, overlap=16).astype(int)
    assert abs(whole - tiled).max() <= 2
