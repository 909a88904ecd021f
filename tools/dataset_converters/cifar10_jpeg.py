"""Write CIFAR-10 as folders of JPEGs, which some configs and tables use.

    python tools/dataset_converters/cifar10_jpeg.py --data-root data/cifar10

mmpretrain reads CIFAR-10 from --data-root, and downloads it where it is not
there. The pictures go to data/cifar10_jpeg/train/<class>/0000.jpg and so on,
in the order of CIFAR-10, at quality 75: a lossy copy.
"""
import sys
from os.path import abspath, dirname

sys.path.insert(0, dirname(dirname(dirname(abspath(__file__)))))
import tools.begin  # noqa: F401  before what takes seconds

import os
import os.path as osp
from argparse import Namespace
from collections import Counter
from typing import Any

from mmengine.registry import DATASETS
from PIL import Image

from mmacda.apis.command_line import (CommandParser, output_folder, progress,
                                      run_command)
from mmacda.io import whole_folder

QUALITY = 75


def write_split(dataset: Any, folder: str) -> None:
    """One picture per sample, <class>/<number within the class>.jpg."""
    numbers: Counter = Counter()
    for index in progress(range(len(dataset)), osp.basename(folder)):
        sample = dataset.get_data_info(index)
        name = dataset.metainfo['classes'][sample['gt_label']]
        os.makedirs(osp.join(folder, name), exist_ok=True)
        Image.fromarray(sample['img']).save(
            osp.join(folder, name, f'{numbers[name]:04d}.jpg'),
            quality=QUALITY)
        numbers[name] += 1


def write(args: Namespace) -> None:
    """Write both splits, whole or not at all.

    Raises:
        FileExistsError: If there is something already.
    """
    import mmpretrain.datasets  # noqa: F401
    if osp.lexists(args.out):
        raise FileExistsError(f'{args.out} is there already: remove it, or '
                              'choose another --out-dir')
    with whole_folder(args.out) as draft:
        for split in ('train', 'test'):
            dataset = DATASETS.build(dict(
                type='mmpretrain.CIFAR10', data_root=args.data_root,
                split=split))
            write_split(dataset, osp.join(draft, split))


def main() -> None:
    parser = CommandParser(__doc__)
    parser.add_argument(
        '--data-root',
        default='data/cifar10',
        help='folder of cifar-10-batches-py; default: data/cifar10')
    parser.add_argument(
        '--out-dir',
        dest='out',
        type=output_folder,
        default='data/cifar10_jpeg',
        help='folder to write; default: data/cifar10_jpeg')
    run_command(parser, write)


if __name__ == '__main__':
    main()
