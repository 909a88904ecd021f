"""Crowds that are drawn: a real training run without a download."""
import io
import os
from typing import Dict, List, Optional, Tuple

import cv2
import mmcv
import numpy as np
from mmengine.logging import print_log
from mmengine.registry import DATASETS
from mmengine.utils import track_iter_progress

from ...io import whole_folder
from .annotation_files import read_mat
from .shanghaitech import ShanghaiTech
from .synthetic_scene import Scene, draw_scene

# Drawings of another version go to another folder.
VERSION = 1


def _write_scene(scene: Scene, folder: str, number: int) -> None:
    """One image and its annotation as ShanghaiTech has them."""
    from scipy.io import savemat
    mmcv.imwrite(
        scene.image,
        os.path.join(folder, 'images', f'IMG_{number}.jpg'),
        [cv2.IMWRITE_JPEG_QUALITY, 95])
    cell = np.empty((1, 1), object)
    cell[0, 0] = dict(
        location=scene.points.astype(float), number=len(scene.points))
    content = io.BytesIO()
    savemat(content,
            dict(image_info=cell, head_sizes=scene.head_sizes[:, None]))
    # The first 116 bytes are free text, where scipy puts the date.
    text = b'MATLAB 5.0 MAT-file, written by mmacda'.ljust(116)
    path = os.path.join(folder, 'ground_truth', f'GT_IMG_{number}.mat')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(text + content.getvalue()[len(text):])


def write_synthetic_crowd(folder: str, num_images: Dict[str, int],
                          image_size: Tuple[int, int],
                          people: Tuple[int, int], seed: int) -> None:
    """Draw scenes into a folder in ShanghaiTech's layout, as its part A.

    The folder appears whole or not at all. If it is there already, nothing
    is done; if two processes draw it at once, the first one's stays.

    Args:
        folder (str): The folder to write.
        num_images (dict[str, int]): Number of images of 'train' and 'test'.
        image_size (tuple[int, int]): Width and height in pixels.
        people (tuple[int, int]): See :func:`draw_scene`.
        seed (int): The scene of an image depends on this, its split and its
            number alone.
    """
    if os.path.isdir(folder):
        return
    print_log(
        f'Drawing {sum(num_images.values())} scenes into {folder}',
        logger='current')
    with whole_folder(folder) as draft:
        jobs = [(split, number) for split in ('train', 'test')
                for number in range(1, num_images[split] + 1)]
        for split, number in track_iter_progress(jobs):
            rng = np.random.default_rng([seed, split == 'test', number])
            _write_scene(
                draw_scene(rng, image_size, people),
                os.path.join(draft, 'part_A_final', f'{split}_data'), number)


@DATASETS.register_module()
class SyntheticCrowd(ShanghaiTech):
    """Drawn crowds with strong perspective and exact points.

    Each picture has heads from 4 to about 60 pixels that hide one another,
    and round things that are not heads, under uneven light. The pictures are
    a function of the arguments. They are drawn once, which takes
    under a minute, into a sub-folder of ``data_root`` whose name holds the
    arguments, and read from there as ShanghaiTech is. Samples also have
    ``head_sizes``, (N, ) float32, the heights of the heads in pixels of the
    image as it is stored.

    Args:
        data_root (str): Folder for the pictures.
            Default: 'data/synthetic_crowd'.
        num_images (dict[str, int], optional): Images of 'train' and 'test'.
            Default: ``NUM_IMAGES``.
        image_size (tuple[int, int]): Width and height in pixels.
            Default: (384, 288).
        people (tuple[int, int]): Least and greatest number of people that a
            scene is to have, where they find room. Default: (15, 150).
        seed (int): Seed of the scenes. Default: 0.
        **kwargs: Arguments of :class:`CrowdDataset`.

    Raises:
        ValueError: If an argument is out of range.
    """

    NUM_IMAGES = dict(train=270, test=60)

    def __init__(self,
                 data_root: str = 'data/synthetic_crowd',
                 num_images: Optional[Dict[str, int]] = None,
                 image_size: Tuple[int, int] = (384, 288),
                 people: Tuple[int, int] = (15, 150),
                 seed: int = 0,
                 **kwargs):
        num_images = dict(num_images or self.NUM_IMAGES)
        if set(num_images) != {'train', 'test'} or min(
                num_images.values()) < 1:
            raise ValueError("num_images must give a positive number for "
                             f"'train' and 'test', but got {num_images}")
        if len(image_size) != 2 or min(image_size) < 64:
            raise ValueError('image_size must be a width and a height of at '
                             f'least 64 pixels, but got {image_size}')
        if len(people) != 2 or not 1 <= people[0] <= people[1]:
            raise ValueError('people must be (least, greatest) with 1 <= '
                             f'least <= greatest, but got {people}')
        self.scenes = dict(
            num_images=num_images,
            image_size=tuple(image_size),
            people=tuple(people),
            seed=seed)
        name = 'v{}_seed{}_{}+{}_{}x{}_{}to{}'.format(
            VERSION, seed, num_images['train'], num_images['test'],
            *image_size, *people)
        super().__init__(data_root=os.path.join(data_root, name), **kwargs)

    def load_data_list(self) -> List[dict]:
        write_synthetic_crowd(self.data_root, **self.scenes)
        return super().load_data_list()

    def read_annotation(self, ann_path: str) -> dict:
        annotation = super().read_annotation(ann_path)
        sizes = read_mat(ann_path, 'head_sizes')
        annotation['head_sizes'] = sizes.astype(np.float32).reshape(-1)
        return annotation
