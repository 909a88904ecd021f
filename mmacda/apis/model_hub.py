"""Our configs by name, in mmpretrain's model hub."""
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Dict, Tuple

import yaml

TASK = 'Image Classification'


def metadata_root() -> Path:
    """Folder that holds model-index.yml, configs and tools.

    ``mmacda/.mim`` of an installed package, else the checkout.

    Raises:
        FileNotFoundError: If there is neither.
    """
    package = Path(__file__).resolve().parents[1]
    for root in (package / '.mim', package.parent):
        if (root / 'model-index.yml').is_file():
            return root
    raise FileNotFoundError(
        f'model-index.yml is neither in {package / ".mim"} nor in '
        f'{package.parent}: install mmacda from a wheel or a full checkout')


def _classifiers(root: Path) -> Dict[str, list]:
    """Models and collections of our metafiles that mmpretrain can build."""
    index = yaml.safe_load((root / 'model-index.yml').read_text(
        encoding='utf-8'))
    found: Dict[str, list] = dict(Collections=[], Models=[])
    for path in index['Import']:
        content = yaml.safe_load((root / path).read_text(encoding='utf-8'))
        found['Collections'] += content['Collections']
        found['Models'] += [
            model for model in content['Models']
            if any(result['Task'] == TASK for result in model['Results'])
        ]
    return found


@lru_cache(maxsize=None)
def register_models() -> Tuple[str, ...]:
    """Add our classifiers to the models that mmpretrain knows by name.

    Call it once; later calls do nothing. ``mmpretrain.get_model``,
    ``list_models`` and the inferencers then take names such as
    'ad-resnet-s_8xb32_in1k'.

    Returns:
        Tuple[str, ...]: The names.

    Raises:
        ImportError: If mmpretrain is not installed.
        FileNotFoundError: If the package carries no model-index.yml.
    """
    try:
        from mmpretrain.apis.model import ModelHub
    except ImportError as error:
        raise ImportError('the model hub is part of mmpretrain: '
                          'pip install mmpretrain') from error
    root = metadata_root()
    classifiers = _classifiers(root)
    with TemporaryDirectory() as folder:
        index = Path(folder) / 'model-index.yml'
        index.write_text(yaml.safe_dump(classifiers), encoding='utf-8')
        ModelHub.register_model_index(index, config_prefix=root)
    return tuple(model['Name'] for model in classifiers['Models'])
