"""Handwritten digits that scikit-learn ships: real data without a download."""
from typing import List

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

NUM_TEST = 450


@DATASETS.register_module()
class Digits(BaseDataset):
    """1,797 grey digits of 8 x 8 pixels (UCI Optical Recognition).

    The split is fixed and stratified: 1,347 images to train, 450 to test.
    Each sample has ``img``, uint8 of shape (8, 8, 1), and ``gt_label``, so
    that a pipeline needs no loading step.

    Args:
        split (str): 'train' or 'test'.
        **kwargs: Arguments of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        ValueError: If ``split`` is neither 'train' nor 'test'.
        ImportError: If scikit-learn is not installed.
    """

    METAINFO = dict(classes=tuple('0123456789'))

    def __init__(self, split: str, **kwargs):
        if split not in ('train', 'test'):
            raise ValueError(
                f"split must be 'train' or 'test', but got {split!r}")
        self.split = split
        super().__init__(**kwargs)

    def load_data_list(self) -> List[dict]:
        try:
            from sklearn.datasets import load_digits
            from sklearn.model_selection import train_test_split
        except ImportError as error:
            raise ImportError('the Digits dataset comes with scikit-learn: '
                              'pip install scikit-learn') from error
        digits = load_digits()
        indices = train_test_split(
            np.arange(len(digits.target)),
            test_size=NUM_TEST,
            random_state=0,
            stratify=digits.target)[self.split == 'test']
        images = np.round(digits.images * (255 / 16)).astype(np.uint8)
        return [
            dict(
                img=images[i][..., None],
                img_shape=(8, 8),
                ori_shape=(8, 8),
                sample_idx=int(i),
                gt_label=int(digits.target[i])) for i in indices
        ]
