"""Multi-scale patterns on noise: the toy detection task of Section 3.3."""
from typing import List, Tuple

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

# One pattern per scale, drawn at its own size in pixels: a cross of 3, a ring
# of 5, a diamond outline of 7. The paper does not give its shapes or sizes.
PATTERNS = {
    3: '.#. ### .#.',
    5: '##### #...# #...# #...# #####',
    7: '...#... ..#.#.. .#...#. #.....# .#...#. ..#.#.. ...#...',
}


def pattern(size: int) -> np.ndarray:
    """The binary pattern of one scale, float32 of shape (size, size)."""
    rows = PATTERNS[size].split()
    return np.array([[c == '#' for c in row] for row in rows], np.float32)


@DATASETS.register_module()
class MultiScalePatterns(BaseDataset):
    """One image with patterns at three scales on a noisy background.

    Each sample has ``inputs``, float32 of shape (1, size, size), and
    ``target``, of the same shape: 1 at the centre of each pattern, else 0.
    The content is a function of the seed alone.

    Args:
        size (int): Side of the image in pixels. Default: 96.
        num_patterns (int): Patterns in the image, spread over the three
            scales. Default: 25, as in the paper.
        noise (float): Standard deviation of the background noise relative to
            the patterns' intensity of 1. Default: 0.1.
        shift (int): Pixels by which the whole scene, noise included, is moved
            to the bottom right; what moves out at one side comes in at the
            other. Default: 0.
        seed (int): Seed of the scene. Default: 0.
        **kwargs: Arguments of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        ValueError: If the patterns do not fit into the image, or ``shift``
            exceeds ``max_shift``.
    """

    def __init__(self,
                 size: int = 96,
                 num_patterns: int = 25,
                 noise: float = 0.1,
                 shift: int = 0,
                 max_shift: int = 20,
                 seed: int = 0,
                 **kwargs):
        if not 0 <= shift <= max_shift:
            raise ValueError(f'shift must lie between 0 and {max_shift}, but '
                             f'got {shift}')
        self.size = size
        self.num_patterns = num_patterns
        self.noise = noise
        self.shift = shift
        self.max_shift = max_shift
        self.seed = seed
        super().__init__(**kwargs)

    def _place(self, rng: np.random.Generator) -> List[Tuple[int, int]]:
        """Centres whose patterns touch neither each other nor the border."""
        largest = max(PATTERNS)
        margin = largest // 2 + 1
        limit = self.size - self.max_shift - margin
        centres: List[Tuple[int, int]] = []
        tries = 300 * self.num_patterns if limit > margin else 0
        while len(centres) < self.num_patterns and tries:
            tries -= 1
            y, x = rng.integers(margin, limit, 2).tolist()
            if all(max(abs(y - v), abs(x - u)) > largest for v, u in centres):
                centres.append((y, x))
        if len(centres) == self.num_patterns:
            return centres
        raise ValueError(f'{self.num_patterns} patterns do not fit into an '
                         f'image of {self.size} x {self.size} pixels with '
                         f'max_shift={self.max_shift}: enlarge it or place '
                         'fewer')

    def load_data_list(self) -> List[dict]:
        rng = np.random.default_rng(self.seed)
        image = rng.normal(0, self.noise, (self.size, self.size))
        target = np.zeros_like(image)
        sizes = sorted(PATTERNS)
        for n, (y, x) in enumerate(self._place(rng)):
            side = sizes[n % len(sizes)]
            top, left = y - side // 2, x - side // 2
            image[top:top + side, left:left + side] += pattern(side)
            target[y, x] = 1
        image, target = (
            torch.from_numpy(np.roll(a, (self.shift, ) * 2, (0, 1))).float()
            for a in (image, target))
        return [dict(inputs=image[None], target=target[None])]

    def prepare_data(self, idx: int) -> dict:
        sample = self.get_data_info(idx)
        return self.pipeline({k: sample[k] for k in ('inputs', 'target')})
