"""Which versions the tests were run with; others get a warning."""
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Dict, List, Tuple

import mmcv
import mmengine
import torch
from mmengine.utils import digit_version

# From this version, below that one.
PROVEN: Dict[str, Tuple[str, str]] = dict(
    torch=('2.1', '2.14'),
    mmengine=('0.10.3', '0.11'),
    mmcv=('2.0', '2.3'),
    mmpretrain=('1.2', '2.0'),
    mmagic=('1.2', '2.0'))


def installed_versions() -> Dict[str, str]:
    """Versions of the packages in ``PROVEN``, without importing more."""
    found = dict(
        torch=torch.__version__,
        mmengine=mmengine.__version__,
        mmcv=mmcv.__version__)
    for package in ('mmpretrain', 'mmagic'):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found


def unproven_versions(found: Dict[str, str]) -> List[str]:
    """What to say of versions outside of ``PROVEN``; nothing is refused."""
    messages = []
    for package, given in found.items():
        low, high = PROVEN[package]
        if not digit_version(low) <= digit_version(given) < digit_version(
                high):
            messages.append(
                f'mmacda is proven with {package} >= {low}, < {high}, but '
                f'{given} is installed; it may work')
    return messages


def warn_of_unproven_versions() -> None:
    for message in unproven_versions(installed_versions()):
        warnings.warn(message, stacklevel=3)
