"""An image whose density map is being put together, and its picture."""
import os.path as osp
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch

from ..io.naming import result_paths
from ..structures import CountingDataSample
from ..visualization.density import draw_densities, save_picture
from .images import Source


class Job(NamedTuple):
    """An image to count.

    Attributes:
        name (str): Its path, or 'image_<n>'.
        source (Source): Path or array.
        picture_path (str, optional): Where its picture goes.
    """
    name: str
    source: Source
    picture_path: Optional[str]


class CountedImage:
    """An image and the density of the tiles that were counted.

    Args:
        job (Job): The image.
        pixels (Tensor): BGR, as the pipeline leaves it, (3, H, W).
        num_tiles (int): Tiles that it has been cut into.
    """

    def __init__(self, job: Job, pixels: torch.Tensor, num_tiles: int):
        self.job = job
        self.pixels = pixels
        self.density = torch.zeros(1, *pixels.shape[-2:])
        self.num_tiles = self.tiles_left = num_tiles

    def finish(self, with_map: bool) -> CountingDataSample:
        """The result; writes the picture if one is wanted."""
        count = self.density.sum(dtype=torch.float64).item()
        sample = CountingDataSample(
            metainfo=dict(
                img_path=self.job.name,
                img_shape=tuple(self.pixels.shape[-2:])))
        sample.pred_count = count
        if with_map:
            sample.pred_density = self.density
        if self.job.picture_path is not None:
            save_picture(self._draw(count), self.job.picture_path)
            sample.set_metainfo(dict(picture_path=self.job.picture_path))
        return sample

    def _draw(self, count: float) -> np.ndarray:
        image = self.pixels.permute(1, 2, 0).numpy()[..., ::-1]
        return draw_densities(
            np.ascontiguousarray(image),
            {f'count: {count:.1f}': self.density[0].numpy()})


def picture_paths(sources: Sequence[Tuple[str, Source]],
                  folder: str) -> List[str]:
    """<image name>.jpg for each image, see :func:`result_paths`."""
    files = [name for name, source in sources
             if not isinstance(source, np.ndarray)]
    return result_paths(folder, [
        '.jpg' if isinstance(source, np.ndarray) else
        osp.splitext(osp.basename(name))[0] + '.jpg'
        for name, source in sources
    ], files)
