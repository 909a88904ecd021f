"""RealSR, all cameras together, as its archives lie on disk."""
import os
import os.path as osp
import re
from typing import Any, Sequence

from mmengine.dataset import ConcatDataset
from mmengine.registry import DATASETS

from ..io.pictures import EXTENSIONS

SPLITS = ('Train', 'Test')
# mmagic's own leave out some formats without a word, and compare the case.
SUFFIXES = (*EXTENSIONS, *(e.upper() for e in EXTENSIONS))


@DATASETS.register_module()
def RealSR(data_root: str,
           scale: int,
           split: str,
           pipeline: Sequence = (),
           cameras: Sequence[str] = ('Canon', 'Nikon'),
           **kwargs: Any) -> ConcatDataset:
    """Pairs of one scale: mmagic's ``BasicImageDataset`` for each camera.

    The archives of V1 ("ICCV2019"), V2 and V3 have the same folders and
    names: ``<camera>/{Train,Test}/<scale>/<camera>_<number>_HR.png`` beside
    ``..._LR<scale>.png``.

    Args:
        data_root (str): The unpacked archive.
        scale (int): 2, 3 or 4; the archive's name for it, whether or not the
            two images have the same size.
        split (str): 'Train' or 'Test'.
        pipeline (Sequence[dict]): Processing pipeline. Default: ().
        cameras (Sequence[str]): Default: ('Canon', 'Nikon').
        **kwargs: Of ``BasicImageDataset``.

    Returns:
        ConcatDataset: The pairs of all cameras.

    Raises:
        ImportError: If mmagic is not installed.
        FileNotFoundError: If a folder does not exist, or is empty.
        ValueError: If an image has no counterpart, or ``split`` is unknown.
    """
    if split not in SPLITS:
        raise ValueError(f'split must be one of {SPLITS}, but got {split!r}')
    try:
        from mmagic.datasets import BasicImageDataset
    except ImportError as error:
        raise ImportError('RealSR is read by mmagic: '
                          'pip install mmagic') from error
    datasets = []
    for camera in cameras:
        folder = osp.join(camera, split, str(scale))
        check_pairs(osp.join(data_root, folder), scale)
        datasets.append(
            BasicImageDataset(
                data_root=data_root,
                data_prefix=dict(img=folder, gt=folder),
                filename_tmpl=dict(img=f'{{}}_LR{scale}', gt='{}_HR'),
                pipeline=list(pipeline),
                **{'img_suffix': SUFFIXES, **kwargs}))
    return ConcatDataset(datasets)


def check_pairs(folder: str, scale: int) -> None:
    """Refuse a folder in which an image has no counterpart.

    Raises:
        FileNotFoundError: If there is no pair.
        ValueError: If there are single images, which are named.
    """
    if not osp.isdir(folder):
        raise FileNotFoundError(
            f'{folder} does not exist: data_root must be an unpacked archive '
            'of RealSR, with the folders Canon and Nikon')
    found = {'HR': set(), f'LR{scale}': set()}
    for name in os.listdir(folder):
        match = re.fullmatch(rf'([^.].*)_(HR|LR{scale})(\.\w+)', name)
        if match:
            if match[3].lower() not in EXTENSIONS:
                raise ValueError(
                    f'{osp.join(folder, name)} is named as an image, but of '
                    f'none of the formats {", ".join(EXTENSIONS)}')
            found[match[2]].add(match[1] + match[3])
    high, low = found.values()
    if not high | low:
        raise FileNotFoundError(f'{folder} has no images named *_HR.png and '
                                f'*_LR{scale}.png')
    single = sorted(high ^ low)
    if single:
        stem, extension = osp.splitext(single[0])
        lacking = f'LR{scale}' if single[0] in high else 'HR'
        raise ValueError(
            f'{osp.join(folder, stem)}_{lacking}{extension} is missing: '
            f'{len(single)} of {len(high | low)} pairs are incomplete')
