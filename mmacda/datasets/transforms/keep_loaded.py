"""Keeping the decoded images of a small dataset in memory."""
from typing import Dict

from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS


@TRANSFORMS.register_module()
class KeepLoaded(BaseTransform):
    """Runs a loading transform once per file and keeps what it loaded.

    For datasets that fit into memory: decoding a small JPEG takes longer than
    a training step of a small network. Each data worker keeps its own copy.

    Required keys: ``img_path``. Added keys: those of the wrapped transform.

    Args:
        transform (dict): Config of a transform that adds ``img``, such as
            ``dict(type='LoadImageFromFile')``; it must not draw at random.
    """

    def __init__(self, transform: dict):
        self.loader = TRANSFORMS.build(transform)
        self.kept: Dict[str, dict] = {}

    def transform(self, results: dict) -> dict:
        """Load the image of one sample, or take the one that was kept."""
        path = results['img_path']
        if path not in self.kept:
            loaded = self.loader(dict(results))
            self.kept[path] = {
                key: value
                for key, value in loaded.items() if key not in results
            }
        kept = self.kept[path]
        # Transforms that follow may work in place.
        results.update(kept, img=kept['img'].copy())
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.loader!r})'
