"""The size of the images that a config's pipelines give to its model."""
from typing import Optional, Tuple

from mmengine.config import Config

# Whose results all have one size.
CROPS = {
    'CenterCrop': 'crop_size',
    'RandomCrop': 'crop_size',
    'RandomResizedCrop': 'scale',
    'Resize': 'scale'
}


def image_size(cfg: Config) -> Optional[Tuple[int, int]]:
    """Height and width that every image of a config has.

    Args:
        cfg (Config): Of any framework.

    Returns:
        Tuple[int, int], optional: In pixels, by the last step of the test
        pipeline that fixes it, else of the training pipeline; None if none
        does: the model then has to take images of any size.
    """
    for key in ('test_dataloader', 'val_dataloader', 'train_dataloader'):
        loaders = cfg.get(key) or []
        for loader in loaders if isinstance(loaders, list) else [loaders]:
            for step in reversed(_pipeline(loader.get('dataset'))):
                kind = step['type']
                name = kind if isinstance(kind, str) else kind.__name__
                size = step.get(CROPS.get(name.rpartition('.')[2]))
                if size is not None and not step.get('keep_ratio', False):
                    width, height = (size, size) if isinstance(
                        size, int) else size
                    return int(height), int(width)
    return None


def _pipeline(dataset: Optional[dict]) -> list:
    """Of a dataset, or of the one that it wraps."""
    while dataset is not None and 'pipeline' not in dataset:
        inner = dataset.get('dataset') or dataset.get('datasets')
        dataset = inner[0] if isinstance(inner, (list, tuple)) else inner
    return [step for step in dataset['pipeline'] or []
            if isinstance(step, dict) and 'type' in step] if dataset else []
