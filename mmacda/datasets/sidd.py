"""The Smartphone Image Denoising Dataset (SIDD) on disk, sRGB.

Training pairs are ``Data/<instance>/<number>_{GT,NOISY}_SRGB_<shot>.PNG`` in
SIDD-Medium and ``Data/<number>_<...>/{GT,NOISY}_SRGB_<shot>.PNG`` in
SIDD-Small; the blocks for validation and benchmark are arrays in .mat files.
"""
import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

import numpy as np
from mmengine.utils import track_progress_rich

from ..io import picture_size, read_mat, read_picture, whole_file
from ..io.pictures import EXTENSIONS

# Images, blocks per image, height, width, RGB.
BLOCKS_SHAPE = (40, 32, 256, 256, 3)
FILE_NAME = re.compile(r'(?:(.+)_)?(GT|NOISY)_SRGB_(\d+)(\.\w+)',
                       re.IGNORECASE)
TILING_FILE = 'tiling.json'


class Pair(NamedTuple):
    """A noisy picture and its ground truth.

    Args:
        name (str): Number and shot, such as '0001_010'.
        noisy (str): File.
        clean (str): File.
    """

    name: str
    noisy: str
    clean: str


def find_pairs(root: str) -> List[Pair]:
    """The pairs below a folder, sorted by name.

    Args:
        root (str): Unpacked SIDD_Medium_Srgb or SIDD_Small_sRGB_Only; the
            depth of its folders and the case of its names do not matter.
            Hidden files and folders, which begin with a dot, are none.

    Raises:
        ValueError: If there are none, a picture has no partner, or two have
            one name.
    """
    found: Dict[str, Dict[str, str]] = {}
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not name.startswith('.')]
        for file in files:
            match = FILE_NAME.fullmatch(file)
            if not match or file.startswith('.'):
                continue
            number, kind, shot, ending = match.groups()
            if ending.lower() not in EXTENSIONS:
                continue
            if number is None:  # of the small set, where the folder has it
                number = os.path.basename(folder).split('_')[0]
            path = os.path.join(folder, file)
            kinds = found.setdefault(f'{number}_{shot}', {})
            if kind.upper() in kinds:
                raise ValueError('two pictures have one name: '
                                 f'{kinds[kind.upper()]} and {path}')
            kinds[kind.upper()] = path
    if not found:
        raise ValueError(
            f'{root!r} holds no picture named as 0001_NOISY_SRGB_010.PNG, or '
            'as NOISY_SRGB_010.PNG in a folder that begins with 0001_: it '
            'must be the unpacked folder of SIDD_Medium_Srgb or '
            'SIDD_Small_sRGB_Only')
    single = [next(iter(kinds.values())) for kinds in found.values()
              if len(kinds) == 1]
    if single:
        raise ValueError(f'{len(single)} pictures have no partner (GT and '
                         f'NOISY), {min(single)} the first')
    return [
        Pair(name, kinds['NOISY'], kinds['GT'])
        for name, kinds in sorted(found.items())
    ]


def tile_starts(size: int, tile: int, step: int) -> List[int]:
    """First pixels of the tiles along one side; the last tile is flush.

    Raises:
        ValueError: If the side is shorter than a tile.
    """
    if size < tile:
        raise ValueError(f'a side of {size} pixels is shorter than a tile of '
                         f'{tile}')
    return [*range(0, size - tile, step), size - tile]


def cut_pairs(root: str,
              out: str,
              tile: int = 512,
              step: int = 384,
              processes: int = 1) -> int:
    """Cut all pairs into tiles that mmagic's BasicImageDataset reads.

    Tiles are ``<out>/{noisy,gt}/<name>_<top>_<left>_{NOISY,GT}.png``. Each
    file is written whole or not at all, and the noisy tile after its ground
    truth; a repeated call goes on where the last one ended.

    Args:
        root (str): See :func:`find_pairs`.
        out (str): Folder to write.
        tile (int): Side of a tile in pixels. Default: 512.
        step (int): From tile to tile, in pixels. Default: 384.
        processes (int): Default: 1.

    Returns:
        int: Number of pairs of tiles.

    Raises:
        ValueError: If a picture is bad, or ``out`` holds tiles of another
            size.
    """
    if not 0 < step <= tile:
        raise ValueError(f'step must lie between 1 and tile={tile}, but got '
                         f'{step}')
    if processes < 1:
        raise ValueError(f'processes must be at least 1, but got {processes}')
    pairs = find_pairs(root)
    tiling = dict(tile=tile, step=step)
    record = Path(out) / TILING_FILE
    if record.exists():
        found = json.loads(record.read_text(encoding='utf-8'))
        if found != tiling:
            raise ValueError(f'{out!r} holds tiles cut with {found}, not '
                             f'with {tiling}: choose another folder')
    for kind in ('noisy', 'gt'):
        (Path(out) / kind).mkdir(parents=True, exist_ok=True)
    with whole_file(record, 'w') as file:
        json.dump(tiling, file)
    counts = track_progress_rich(
        partial(_cut_pair, out=out, tile=tile, step=step),
        [(pair, ) for pair in pairs],
        nproc=min(processes, len(pairs)),
        description='Pairs')
    return sum(counts)


def _cut_pair(pair: Pair, out: str, tile: int, step: int) -> int:
    height, width = _check_sizes(pair)
    try:
        corners = [(top, left) for top in tile_starts(height, tile, step)
                   for left in tile_starts(width, tile, step)]
    except ValueError as error:
        raise ValueError(f'{pair.noisy}: {error}') from error
    targets = {
        corner: [
            Path(out, folder, '{}_{:04d}_{:04d}_{}.png'.format(
                pair.name, *corner, suffix))
            for folder, suffix in (('gt', 'GT'), ('noisy', 'NOISY'))
        ]
        for corner in corners
    }
    missing = {
        corner: files
        for corner, files in targets.items()
        if not all(file.exists() for file in files)
    }
    if missing:
        import cv2
        pictures = [_read(pair.clean), _read(pair.noisy)]
        for (top, left), files in missing.items():
            for picture, path in zip(pictures, files):
                cut = picture[top:top + tile, left:left + tile]
                with whole_file(path) as file:
                    file.write(cv2.imencode('.png', cut)[1].tobytes())
    return len(corners)


def _check_sizes(pair: Pair) -> Tuple[int, int]:
    """Height and width of both pictures, from their headers."""
    sizes = [picture_size(path) for path in (pair.noisy, pair.clean)]
    if sizes[0] != sizes[1]:
        raise ValueError(f'{pair.noisy} has {sizes[0][0]} x {sizes[0][1]} '
                         f'pixels, but {pair.clean} has {sizes[1][0]} x '
                         f'{sizes[1][1]}')
    return sizes[0][::-1]


def _read(path: str) -> np.ndarray:
    picture = read_picture(path, order='bgr', upright=False)
    if picture.dtype != np.uint8 or picture.shape[2:] != (3, ):
        raise ValueError(f'{path} must have 8 bits and 3 channels, but it has '
                         f'{picture.dtype} {picture.shape}')
    return picture


def load_blocks(path: str,
                shape: Tuple[int, ...] = BLOCKS_SHAPE) -> np.ndarray:
    """The blocks of a .mat file of SIDD's validation or benchmark.

    Args:
        path (str): Such as 'BenchmarkNoisyBlocksSrgb.mat'. Its variable has
            the name of the file, or is the only one.
        shape (Tuple[int, ...]): What is expected: images, blocks per image,
            height, width, 3. Default: that of SIDD, (40, 32, 256, 256, 3).

    Returns:
        np.ndarray: RGB, uint8.

    Raises:
        ValueError: If the file is not of this form.
    """
    content = read_mat(path)
    name = Path(path).stem
    if name not in content and len(content) != 1:
        raise ValueError(f'{path} has no variable {name!r}, only '
                         f'{sorted(content)}')
    blocks = content.get(name, next(iter(content.values())))
    if blocks.shape != tuple(shape) or blocks.dtype != np.uint8:
        raise ValueError(f'{path} must hold uint8 of shape {tuple(shape)}, '
                         f'but it holds {blocks.dtype} of shape '
                         f'{blocks.shape}')
    return blocks
