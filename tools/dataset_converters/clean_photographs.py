r"""Write photographs without noise, of which others are made that have some.

    python tools/dataset_converters/clean_photographs.py \
        --wallpapers data/wallpapers/usr/share/backgrounds \
        --city100 data/City100_iPhoneX --out-dir data/clean_photographs

The wallpapers are Debian's:

    apt-get download lomiri-wallpapers-16.04 lomiri-wallpapers-20.04
    for package in *.deb; do dpkg -x $package data/wallpapers; done

They go into the folders train and test as PNG: Debian's wallpapers and the
near views of City100, reduced, so that neither noise nor JPEG's traces are
left, and scikit-image's as they are. No picture is in both folders.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import os.path as osp
from argparse import Namespace
from typing import Iterator, Tuple

import mmcv
import numpy as np

from mmacda.apis.command_line import CommandParser, output_folder, run_command
from mmacda.datasets.photographs import SPLITS, read_photograph
from mmacda.io import read_picture, whole_folder

# What is CC BY-SA is for tests alone, so that networks learn from none of it.
# Drawings are in neither.
WALLPAPERS = dict(
    train=('aitzgorri_by_Aitzol_Berasategi', 'friends_by_Aitzol_Berasategi',
           'life_by_Aitzol_Berasategi', 'picosdeeuropa_by_Aitzol_Berasategi',
           'sunset_by_Aitzol_Berasategi', 'Picture_0B_by_freespace',
           'Wine_by_Jakkub_Mede', 'seeding_by_Clements_Engelhardt'),
    test=('Dragonfly_by_Bolly', 'Kleiber_by_Lukas_Baubkus',
          'Picture_1A_by_freespace'))
CITY100 = dict(train=range(1, 41), test=(41, 45, 49))
# Longer side, in pixels.
WALLPAPER_SIDES = dict(train=1280, test=768)
CITY100_SIDE = 420


def reduce_to(image: np.ndarray, side: int) -> np.ndarray:
    """A picture whose longer side is ``side``, by the mean over pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    return mmcv.imresize(
        image, (round(width * scale), round(height * scale)),
        interpolation='area')


def pictures(args: Namespace,
             split: str) -> Iterator[Tuple[str, np.ndarray]]:
    """Names and pictures, uint8 RGB, of a split."""
    for name in SPLITS[split]:
        yield osp.splitext(name)[0], read_photograph(name)
    for name in WALLPAPERS[split]:
        image = read_picture(
            osp.join(args.wallpapers, f'{name}.jpg'), 3, np.uint8)
        yield name, reduce_to(image, WALLPAPER_SIDES[split])
    for number in CITY100[split]:
        image = read_picture(
            osp.join(args.city100, f'{number:03}H.PNG'), 3, np.uint8)
        yield f'city100_{number:03}', reduce_to(image, CITY100_SIDE)


def write(args: Namespace) -> None:
    with whole_folder(args.out) as folder:
        for split in SPLITS:
            for name, image in pictures(args, split):
                path = osp.join(folder, split, f'{name}.png')
                if not mmcv.imwrite(image[..., ::-1], path):
                    raise OSError(f'cannot write {path}')
                print(f'{split}/{name}.png', *image.shape[1::-1], flush=True)


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--wallpapers',
        required=True,
        help='folder of the files *.jpg of both packages')
    parser.add_argument(
        '--city100', required=True, help='folder of 001H.PNG and so on')
    parser.add_argument(
        '--out-dir',
        '--out',
        dest='out',
        type=output_folder,
        default='data/clean_photographs',
        help='folder to write; default: data/clean_photographs')
    run_command(parser, write)


if __name__ == '__main__':
    main()
