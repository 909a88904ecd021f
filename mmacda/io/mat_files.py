"""The one reader of MATLAB's files."""
import os.path as osp
from typing import Dict

import numpy as np

from .files import Path


def read_mat(path: Path) -> Dict[str, np.ndarray]:
    """The variables of a MAT-file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, because it is truncated or of
            version 7.3.
    """
    from scipy.io import loadmat
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path} does not exist')
    try:
        content = loadmat(path)
    except NotImplementedError as error:
        raise ValueError(
            f'{path} is a MAT-file of version 7.3, which is not supported: '
            'save it with -v7 in MATLAB') from error
    except Exception as error:  # scipy raises anything on broken bytes
        raise ValueError(
            f'{path} is not a readable MAT-file, it is truncated, damaged or '
            f'something else: {error or type(error).__name__}') from error
    return {k: v for k, v in content.items() if not k.startswith('__')}
