"""SIDD: cutting the training pairs, reading and writing the .mat files."""
import base64
import csv
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from mmacda.apis import RestorationInferencer
from mmacda.datasets.sidd import (BLOCKS_SHAPE, cut_pairs, find_pairs,
                                  load_blocks, tile_starts)
from mmacda.evaluation.sidd_submission import write_submission
from tests import fresh

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


def picture(seed, height=40, width=56):
    return np.random.default_rng(seed).integers(
        0, 256, (height, width, 3), dtype=np.uint8)


def write_pair(root, number, shot='010', ending='PNG', **size):
    """One instance of SIDD; BGR arrays of ground truth and noisy picture."""
    folder = root / 'Data' / f'{number}_001_S6_00100_00060_3200_L'
    folder.mkdir(parents=True, exist_ok=True)
    pair = [picture(2 * int(number) + i, **size) for i in range(2)]
    for kind, pixels in zip(('GT', 'NOISY'), pair):
        name = f'{number}_{kind}_SRGB_{shot}.{ending}'
        # OpenCV chooses the format by the ending.
        (folder / name).write_bytes(
            cv2.imencode('.png', pixels)[1].tobytes())
    return pair


@pytest.fixture
def sidd(tmp_path):
    root = tmp_path / 'SIDD_Medium_Srgb'
    pairs = {
        '0001_010': write_pair(root, '0001'),
        '0001_011': write_pair(root, '0001', '011'),
        '0002_010': write_pair(root, '0002', ending='png'),
    }
    (root / 'Scene_Instances.txt').write_text('0001_001\n', encoding='utf-8')
    return root, pairs


def read_tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*')) if path.is_file()
    }


def test_pairs_are_found_in_any_case(sidd):
    found = find_pairs(str(sidd[0]))
    assert [pair.name for pair in found] == list(sidd[1])
    for pair in found:
        assert Path(pair.clean).name == Path(pair.noisy).name.replace(
            'NOISY', 'GT')


def test_small_lies_flat_or_deep(tmp_path):
    write_pair(tmp_path, '0007')
    for path in (tmp_path / 'Data').rglob('*.PNG'):
        path.rename(tmp_path / path.name.lower())
    assert [pair.name for pair in find_pairs(str(tmp_path))] == ['0007_010']


def test_small_has_its_numbers_in_the_folders_names(tmp_path):
    for number in ('0001', '0002'):
        folder = tmp_path / 'Data' / f'{number}_001_S6_00100_00060_3200_L'
        folder.mkdir(parents=True)
        for kind in ('GT', 'NOISY'):
            (folder / f'{kind}_SRGB_010.PNG').touch()
            (folder / f'._{kind}_SRGB_010.PNG').touch()  # of macOS
    hidden = tmp_path / '.Trash' / '0003_x'
    hidden.mkdir(parents=True)
    (hidden / 'GT_SRGB_010.PNG').touch()
    found = find_pairs(str(tmp_path))
    assert [pair.name for pair in found] == ['0001_010', '0002_010']
    assert all(Path(pair.noisy).name == 'NOISY_SRGB_010.PNG'
               for pair in found)


@pytest.mark.parametrize('size, tile, step, expected', [
    (512, 512, 384, [0]),
    (896, 512, 384, [0, 384]),
    (897, 512, 384, [0, 384, 385]),
    (3000, 512, 384, [0, 384, 768, 1152, 1536, 1920, 2304, 2488]),
    (10, 4, 4, [0, 4, 6]),
])
def test_tiles_cover_a_side(size, tile, step, expected):
    starts = tile_starts(size, tile, step)
    assert starts == expected
    covered = set().union(*(range(s, s + tile) for s in starts))
    assert covered == set(range(size))


@pytest.mark.parametrize('processes', [1, 2])
def test_tiles_are_the_pictures_pixels(sidd, tmp_path, processes):
    root, pairs = sidd
    out = tmp_path / 'train'
    # 40 x 56 pixels: 3 rows and 5 columns of tiles.
    assert cut_pairs(str(root), str(out), 16, 12, processes) == 3 * 15
    for name, (clean, noisy) in pairs.items():
        for folder, kind, pixels in (('gt', 'GT', clean),
                                     ('noisy', 'NOISY', noisy)):
            for top in (0, 12, 24):
                for left in (0, 12, 24, 36, 40):
                    path = out / folder / (
                        f'{name}_{top:04}_{left:04}_{kind}.png')
                    tile = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
                    assert (tile == pixels[top:top + 16,
                                           left:left + 16]).all(), path
    assert not list(out.rglob('*.part'))


def test_an_interrupted_run_goes_on(sidd, tmp_path):
    root, _ = sidd
    whole, out = tmp_path / 'whole', tmp_path / 'out'
    cut_pairs(str(root), str(whole), 16, 12)
    cut_pairs(str(root), str(out), 16, 12)
    lost = sorted((out / 'noisy').iterdir())[5]
    kept = sorted((out / 'gt').iterdir())[0]
    lost.unlink()
    # What a kill leaves is hidden, and no picture to anybody.
    half = lost.parent / '.1234-abcdef01.part.png'
    half.write_bytes(b'half')
    before = kept.stat().st_mtime_ns
    cut_pairs(str(root), str(out), 16, 12)
    half.unlink()
    assert read_tree(out) == read_tree(whole)
    assert kept.stat().st_mtime_ns == before


def test_other_tiles_do_not_mix(sidd, tmp_path):
    cut_pairs(str(sidd[0]), str(tmp_path / 'out'), 16, 12)
    with pytest.raises(ValueError, match='choose another folder'):
        cut_pairs(str(sidd[0]), str(tmp_path / 'out'), 16, 16)


def test_tiles_are_read_by_mmagic_s_dataset(sidd, tmp_path):
    pytest.importorskip('mmagic')
    from mmagic.datasets import BasicImageDataset
    out = tmp_path / 'train'
    cut_pairs(str(sidd[0]), str(out), 16, 12)
    dataset = BasicImageDataset(
        data_root=str(out),
        data_prefix=dict(img='noisy', gt='gt'),
        filename_tmpl=dict(img='{}_NOISY', gt='{}_GT'))
    assert len(dataset) == 45
    for data in dataset:
        assert Path(data['img_path']).exists()
        assert Path(data['gt_path']).exists()


def test_a_picture_without_partner_is_named(sidd, tmp_path):
    root, _ = sidd
    lonely = next((root / 'Data').rglob('0002_GT*'))
    lonely.unlink()
    with pytest.raises(ValueError, match='0002_NOISY_SRGB_010.png'):
        cut_pairs(str(root), str(tmp_path / 'out'))
    assert not (tmp_path / 'out').exists()


def test_two_pictures_of_one_name_are_named(sidd):
    again = sidd[0] / 'Data' / 'copy'
    again.mkdir()
    (again / '0001_GT_SRGB_010.PNG').write_bytes(b'')
    with pytest.raises(ValueError, match='two pictures have one name'):
        find_pairs(str(sidd[0]))


@pytest.mark.parametrize('damage, message', [
    (lambda content: b'no picture', 'cannot be read as a picture'),
    (lambda content: content[:len(content) // 2],
     'cannot be read as a picture: .*truncated'),
])
@pytest.mark.parametrize('processes', [1, 2])
def test_a_damaged_picture_is_named_and_the_rest_stays(
        sidd, tmp_path, damage, message, processes):
    root, _ = sidd
    bad = next((root / 'Data').rglob('0002_NOISY*'))
    content = bad.read_bytes()
    bad.write_bytes(damage(content))
    out = tmp_path / 'out'
    with pytest.raises(ValueError, match=f'{bad.name}.*{message}'):
        cut_pairs(str(root), str(out), 16, 12, processes)
    if processes == 1:
        assert len(list((out / 'noisy').iterdir())) == 30
    bad.write_bytes(content)
    assert cut_pairs(str(root), str(out), 16, 12) == 45


def test_sizes_of_a_pair_must_agree(sidd, tmp_path):
    bad = next((sidd[0] / 'Data').rglob('0002_NOISY*'))
    bad.write_bytes(cv2.imencode('.png', picture(0, 40, 55))[1].tobytes())
    with pytest.raises(ValueError, match='55 x 40.*56 x 40'):
        cut_pairs(str(sidd[0]), str(tmp_path / 'out'), 16, 12)


def test_other_kinds_of_pictures_are_refused(sidd, tmp_path):
    grey = next((sidd[0] / 'Data').rglob('0002_GT*'))
    grey.write_bytes(cv2.imencode('.png', picture(0)[..., 0])[1].tobytes())
    with pytest.raises(ValueError, match='8 bits and 3 channels'):
        cut_pairs(str(sidd[0]), str(tmp_path / 'out'), 16, 12)


def test_a_picture_smaller_than_a_tile_is_named(sidd, tmp_path):
    with pytest.raises(ValueError, match='0001_NOISY.*40 pixels is shorter'):
        cut_pairs(str(sidd[0]), str(tmp_path / 'out'))



def test_command(sidd, tmp_path, monkeypatch, capsys):
    arguments = [
        'sidd.py', str(sidd[0]), '--out', str(tmp_path / 'out'), '--tile',
        '16', '--step', '12', '--processes', '1'
    ]
    monkeypatch.setattr(sys, 'argv', arguments)
    script = str(TOOLS / 'dataset_converters' / 'sidd.py')
    runpy.run_path(script, run_name='__main__')
    assert '45 pairs of tiles in' in capsys.readouterr().out
    monkeypatch.setattr(sys, 'argv', ['sidd.py', str(tmp_path / 'nothing')])
    with pytest.raises(SystemExit):
        runpy.run_path(script, run_name='__main__')
    assert '0001_NOISY_SRGB_010.PNG' in capsys.readouterr().err


def write_blocks(path, shape=(2, 3, 8, 8, 3), name=None):
    blocks = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    savemat(path, {name or path.stem: blocks})
    return blocks


def test_blocks(tmp_path):
    path = tmp_path / 'BenchmarkNoisyBlocksSrgb.mat'
    blocks = write_blocks(path)
    assert (load_blocks(str(path), blocks.shape) == blocks).all()
    with pytest.raises(ValueError) as error:
        load_blocks(str(path))
    for part in (path, BLOCKS_SHAPE, blocks.shape):
        assert str(part) in str(error.value)


def test_renamed_blocks(tmp_path):
    path = tmp_path / 'renamed.mat'
    blocks = write_blocks(path, name='BenchmarkNoisyBlocksSrgb')
    assert (load_blocks(str(path), blocks.shape) == blocks).all()


@pytest.mark.parametrize('content, message', [
    (b'no mat file' * 20, 'not a readable MAT-file'),
    (dict(a=np.zeros(2), b=np.zeros(2)), 'has no variable'),
    (dict(a=np.zeros((2, 3, 8, 8, 3))), 'must hold uint8'),
])
def test_bad_blocks(tmp_path, content, message):
    path = tmp_path / 'bad.mat'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        savemat(path, content)
    with pytest.raises(ValueError, match=f'bad.mat.*{message}'):
        load_blocks(str(path), (2, 3, 8, 8, 3))


@pytest.mark.parametrize('share', [0, 0.001, 0.5, 0.99])
def test_truncated_blocks_are_named(tmp_path, share):
    path = tmp_path / 'cut.mat'
    blocks = write_blocks(path)
    content = path.read_bytes()
    path.write_bytes(content[:int(share * len(content))])
    with pytest.raises(ValueError, match='cut.mat is not a readable MAT-file'):
        load_blocks(str(path), blocks.shape)


def test_submission_as_mat(tmp_path):
    blocks = write_blocks(tmp_path / 'blocks.mat')
    path = tmp_path / 'new' / 'SubmitSrgb.mat'
    write_submission(blocks, str(path), 0.25, dict(MethodName='ACDA'))
    content = loadmat(path)
    cells = content['DenoisedBlocksSrgb']
    assert cells.shape == (2, 3) and cells.dtype == object
    for index in np.ndindex(2, 3):
        assert cells[index].dtype == np.uint8
        assert (cells[index] == blocks[index]).all()
    assert content['TimeMPSrgb'].item() == 0.25
    assert content['OptionalData']['MethodName'][0, 0].item() == 'ACDA'
    assert not list(tmp_path.rglob('*.part'))


def test_submission_as_csv(tmp_path):
    blocks = write_blocks(tmp_path / 'blocks.mat')
    path = tmp_path / 'submission.csv'
    write_submission(blocks, str(path))
    with open(path, newline='', encoding='utf-8') as file:
        header, *rows = csv.reader(file)
    assert header == ['ID', 'BLOCK']
    assert [int(row[0]) for row in rows] == list(range(6))
    for row, block in zip(rows, blocks.reshape(6, 8, 8, 3)):
        pixels = np.frombuffer(base64.b64decode(row[1]), np.uint8)
        assert (pixels.reshape(8, 8, 3) == block).all()


@pytest.mark.parametrize('blocks, name, message', [
    (np.zeros((2, 3, 8, 8, 3), np.uint8), 'a.zip', 'ends in .mat or .csv'),
    (np.zeros((2, 3, 8, 8, 3)), 'a.csv', 'must be uint8'),
    (np.zeros((3, 8, 8, 3), np.uint8), 'a.csv', 'must be uint8'),
])
def test_bad_submission(tmp_path, blocks, name, message):
    with pytest.raises(ValueError, match=message):
        write_submission(blocks, str(tmp_path / name))
    assert not list(tmp_path.iterdir())


NETWORK = '''
default_scope = 'mmagic'
custom_imports = dict(imports=['mmacda'], allow_failed_imports=False)
model = dict(
    type='BaseEditModel',
    generator=dict(type='ACDARestorer', mid_channels=8, num_blocks=1,
                   conv_type='conv'),
    pixel_loss=dict(type='MSELoss'),
    data_preprocessor=dict(
        type='DataPreprocessor', mean=[0.] * 3, std=[255.] * 3,
        output_channel_order={order!r}))
'''


@pytest.mark.parametrize('order', [None, 'BGR'])
def test_submission_command(tmp_path, monkeypatch, capsys, order):
    """A network that adds .1, .2 and .3 of white to what it sees as the
    first, second and third channel."""
    pytest.importorskip('mmagic')
    config = tmp_path / 'adds.py'
    config.write_text(NETWORK.format(order=order), encoding='utf-8')
    model = RestorationInferencer(str(config), device='cpu').model
    for parameter in model.generator.up_conv2.parameters():
        parameter.data.zero_()
    bias = torch.tensor([0.1, 0.2, 0.3]).repeat_interleave(4)
    model.generator.up_conv2.bias.data.copy_(bias)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'adds.pth')
    path = tmp_path / 'BenchmarkNoisyBlocksSrgb.mat'
    blocks = write_blocks(path)
    arguments = [config, tmp_path / 'adds.pth', path, '--out',
                 tmp_path / 'out.mat', '--device', 'cpu']
    script = str(TOOLS / 'sidd_submission.py')
    monkeypatch.setattr(sys, 'argv', ['tool', *map(str, arguments)])
    with pytest.raises(SystemExit):
        runpy.run_path(script, run_name='__main__')
    assert f'{path} must hold uint8' in capsys.readouterr().err
    monkeypatch.setattr(
        sys, 'argv',
        ['tool', *map(str, arguments), '--shape', *map(str, blocks.shape)])
    runpy.run_path(script, run_name='__main__')
    assert '6 blocks' in capsys.readouterr().out
    added = np.array([0.1, 0.2, 0.3]) * 255
    if order == 'BGR':
        added = added[::-1]
    expected = (blocks + added).clip(0, 255)
    cells = loadmat(tmp_path / 'out.mat')['DenoisedBlocksSrgb']
    for index in np.ndindex(2, 3):
        assert abs(cells[index] - expected[index]).max() <= 0.5 + 1e-3


def test_mmagic_s_converter_of_the_validation_blocks(tmp_path):
    """What configs/denoising/README.md says: its files, in RGB order."""
    mmagic = pytest.importorskip('mmagic')
    blocks = {}
    for kind in ('Noisy', 'Gt'):
        path = tmp_path / f'Validation{kind}BlocksSrgb.mat'
        blocks[kind] = write_blocks(path, (40, 32, 4, 4, 3))
    converter = Path(mmagic.__file__).parent / \
        '.mim/tools/dataset_converters/sidd/preprocess_sidd_test_dataset.py'
    fresh.run(converter, '--data-root', tmp_path, '--out-dir',
              tmp_path / 'val').check_returncode()
    for n in (0, 33, 1279):
        for folder, kind in (('noisy', 'Noisy'), ('gt', 'Gt')):
            name = f'val_{n}_{"GT" if kind == "Gt" else "NOISY"}.png'
            found = cv2.imread(str(tmp_path / 'val' / folder / name))
            assert (found[..., ::-1] == blocks[kind][n // 32, n % 32]).all()
