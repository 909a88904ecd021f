"""Which versions the tests were run with; others get a warning."""
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Dict, List, Optional, Tuple

import mmcv
import mmengine
import torch
from mmengine.utils import digit_version

# From this version, below that one. By `make test-torch` at both ends, and
# `make test-forks`: torch 2.14 and mmcv 2.3 of OpenMMLab's continuation.
PROVEN: Dict[str, Tuple[str, str]] = dict(
    torch=('2.1', '2.16'),
    mmengine=('0.10.3', '0.11'),
    mmcv=('2.0', '2.4'),
    mmpretrain=('1.2', '2.0'),
    mmagic=('1.2', '2.0'))
# OpenMMLab's packages and their maintained continuation share import names:
# where both are installed, files of one have overwritten the other's.
FORKS = {
    'mmengine': 'onedl-mmengine',
    'mmcv': 'onedl-mmcv',
    'mmcv-lite': 'onedl-mmcv',
    'mmpretrain': 'onedl-mmpretrain',
    'mmdet': 'onedl-mmdetection',
    'mmsegmentation': 'onedl-mmsegmentation'
}


def installed_versions() -> Dict[str, str]:
    """Versions of the packages in ``PROVEN``, without importing more."""
    found = dict(
        torch=torch.__version__,
        mmengine=mmengine.__version__,
        mmcv=mmcv.__version__)
    for package in ('mmpretrain', 'mmagic'):
        given = _version(package)
        if given is not None:
            found[package] = given
    return found


def _version(package: str) -> Optional[str]:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def mixed_packages() -> Optional[str]:
    """What to say of packages that overwrite each other, if there are any."""
    both = sorted(f'{package} and {fork}' for package, fork in FORKS.items()
                  if _version(package) and _version(fork))
    if not both:
        return None
    names = sorted({name for pair in both for name in pair.split(' and ')})
    return (f'{", ".join(both)} are both installed, under the same import '
            f'names: what is imported is a mixture. `pip uninstall '
            f'{" ".join(names)}`, then install one of them: '
            "pip install 'mmacda[mmpretrain]' or 'mmacda[onedl]'")


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
    mixed = mixed_packages()
    for message in [mixed] if mixed else unproven_versions(
            installed_versions()):
        warnings.warn(message, stacklevel=3)
