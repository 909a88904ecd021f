"""Count the people in photos with a trained network."""
import os
import os.path as osp
import warnings
from itertools import count
from typing import Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import TRANSFORMS, DefaultScope
from rich.console import Console
from rich.progress import Progress

from ..registry_types import type_names
from ..structures import CountingDataSample
from ..visualization.density import draw_densities, save_picture
from .images import Source, list_sources, read_image
from .load_model import build_model, load_weights
from .tiling import Tile, tile_image

# The receptive field of Ad-ResNet-s and -m without max-pool and their density
# head reaches 170 pixels beyond a cell of stride 16; the next multiple of it.
OVERLAP = 176


class CrowdCountingInferencer:
    """Counts people in images of any size.

    Args:
        config (str | Path | Config): Config of the network, or its path. Its
            test pipeline, without the steps that load, prepares the images.
        weights (str | Path, optional): Checkpoint. Default: None, which
            leaves the network untrained and warns.
        device (str, optional): Default: None, the best that there is.
        show_progress (bool): Show a progress bar on the error stream.
            Default: True.

    Raises:
        FileNotFoundError: If config or checkpoint does not exist.
        ValueError: If the checkpoint is not one of this network.

    Example:
        >>> from mmacda.apis import CrowdCountingInferencer
        >>> inferencer = CrowdCountingInferencer(
        ...     'configs/counting/ad-resnet-s_synthetic.py', 'trained.pth')
        >>> for sample in inferencer('photos', out_dir='counted'):
        ...     print(sample.img_path, sample.pred_count)
    """

    def __init__(self,
                 config: Union[str, os.PathLike, Config],
                 weights: Union[str, os.PathLike, None] = None,
                 device: Optional[str] = None,
                 show_progress: bool = True):
        if not isinstance(config, Config):
            config = Config.fromfile(config)
        scope = config.get('default_scope', 'mmengine')
        with DefaultScope.overwrite_default_scope(scope):
            self.pipeline = Compose(_test_pipeline(config))
        self.model = build_model(config)
        if weights is None:
            warnings.warn('no weights given: the network is untrained, and so '
                          'are its counts')
        else:
            load_weights(self.model, os.fspath(weights))
        self.model.to(device or get_device()).eval()
        self.show_progress = show_progress

    def __call__(self,
                 inputs: Union[Source, Sequence[Source]],
                 batch_size: int = 1,
                 tile: Optional[int] = 2048,
                 overlap: int = OVERLAP,
                 out_dir: Optional[str] = None,
                 keep_maps: bool = True) -> List[CountingDataSample]:
        """Count the people in each image.

        An image larger than a tile is cut into tiles. Of each only the part
        is used that is at least ``overlap`` away from where it was cut. The
        default is as far as the receptive field of Ad-ResNet-s and -m
        reaches, so that cutting changes nothing but the rounding. Networks
        that average over the whole image, such as CondConv's, see each tile
        as an image of its own.

        Args:
            inputs: A path, a folder, an array (H, W, 3) in BGR order, see
                :func:`mmacda.apis.images.read_image`; or a list of them.
            batch_size (int): Images, or tiles, of one size that go through
                the network together. Default: 1.
            tile (int, optional): Greatest side in pixels of what goes through
                the network in one piece. None never cuts. Default: 2048.
            overlap (int): Context around the used part of a tile, in pixels.
                Default: 176.
            out_dir (str, optional): Folder for pictures <image name>.jpg: the
                image, and beside it heat with the count. Default: None.
            keep_maps (bool): Return the density maps too. Without them any
                number of images fits into memory. Default: True.

        Returns:
            list[CountingDataSample]: In the order of the inputs, on the CPU,
            with ``img_path``, ``pred_count`` and ``pred_density``, the latter
            at the size of the image after the pipeline.

        Raises:
            FileNotFoundError: If an input does not exist.
            TypeError: If an input or its dtype is not supported.
            ValueError: If an input is not an image, or an option is out of
                range.
        """
        if batch_size < 1:
            raise ValueError('batch_size must be at least 1, but got '
                             f'{batch_size}')
        sources = list_sources(inputs)
        results, names = [], set()
        with Progress(
                console=Console(stderr=True),
                disable=not self.show_progress) as progress:
            task = progress.add_task('counting', total=len(sources))
            for image in self._counted(sources, batch_size, tile, overlap):
                if out_dir is not None:
                    name = _unused_name(image.name, names)
                    save_picture(image.draw(), osp.join(out_dir, name))
                results.append(image.result(keep_maps))
                progress.advance(task)
        return results

    def _counted(self, sources: Sequence[Tuple[str, Source]], batch_size: int,
                 tile: Optional[int], overlap: int) -> Iterator['_Image']:
        """The images in order, each as soon as all its tiles are counted."""
        divisor = getattr(self.model.data_preprocessor, 'pad_size_divisor', 1)

        def pieces() -> Iterator[Tuple[_Image, Tile]]:
            for name, source in sources:
                image = _Image(name, self._prepare(name, source))
                shape = image.pixels.shape[-2:]
                tiles = tile_image(shape, *((max(shape), 0) if tile is None
                                            else (tile, overlap)), divisor)
                image.tiles_left = len(tiles)
                yield from ((image, piece) for piece in tiles)

        for batch in _batches(pieces(), batch_size):
            self._count(batch)
            for image, _ in batch:
                image.tiles_left -= 1
                if not image.tiles_left:
                    yield image

    def _prepare(self, name: str, source: Source) -> torch.Tensor:
        """The image as the data preprocessor takes it, (3, H, W)."""
        pixels = read_image(source)
        shape = pixels.shape[:2]
        return self.pipeline(
            dict(img=pixels, img_path=name, img_shape=shape,
                 ori_shape=shape))['inputs']

    @torch.no_grad()
    def _count(self, batch: Sequence[Tuple['_Image', Tile]]) -> None:
        """Count pieces of one size together."""
        inputs = [image.pixels[(..., *tile.outer)] for image, tile in batch]
        samples = [
            CountingDataSample(metainfo=dict(img_shape=tuple(x.shape[-2:])))
            for x in inputs
        ]
        outputs = self.model.test_step(
            dict(inputs=inputs, data_samples=samples))
        for (image, tile), output in zip(batch, outputs):
            density = output.pred_density[(..., *tile.inner_of_outer)]
            image.density[(..., *tile.inner)] = density.cpu()


class _Image:
    """An image whose density map is being put together."""

    def __init__(self, name: str, pixels: torch.Tensor):
        self.name = name
        self.pixels = pixels
        self.density = torch.zeros(1, *pixels.shape[-2:])
        self.tiles_left = 0

    @property
    def count(self) -> float:
        return self.density.sum(dtype=torch.float64).item()

    def result(self, with_map: bool) -> CountingDataSample:
        sample = CountingDataSample(
            metainfo=dict(
                img_path=self.name, img_shape=tuple(self.pixels.shape[-2:])))
        sample.pred_count = self.count
        if with_map:
            sample.pred_density = self.density
        return sample

    def draw(self) -> np.ndarray:
        image = self.pixels.permute(1, 2, 0).numpy()[..., ::-1]
        return draw_densities(
            np.ascontiguousarray(image),
            {f'count: {self.count:.1f}': self.density[0].numpy()})


def _batches(pieces: Iterable[Tuple[_Image, Tile]],
             batch_size: int) -> Iterator[List[Tuple[_Image, Tile]]]:
    """Neighbours of one size; others would need padding, which is seen."""
    batch, shape = [], None
    for image, tile in pieces:
        size = tuple(s.stop - s.start for s in tile.outer)
        if batch and (size != shape or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append((image, tile))
        shape = size
    if batch:
        yield batch


def _unused_name(path: str, used: set) -> str:
    """<image name>.jpg, with a number where folders share a name."""
    stem = osp.splitext(osp.basename(path))[0]
    name = next(
        candidate for candidate in (f'{stem}_{n}.jpg' if n else f'{stem}.jpg'
                                    for n in count())
        if candidate not in used)
    used.add(name)
    return name


def _test_pipeline(config: Config) -> List[dict]:
    """The test pipeline without its loading steps.

    Raises:
        ValueError: If the config has none.
    """
    node = config.get('test_dataloader') or {}
    while 'pipeline' not in node:
        node = node.get('dataset') or (node.get('datasets') or [None])[0]
        if node is None:
            raise ValueError('the config has no pipeline in test_dataloader: '
                             'it says how an image is prepared')
    return [
        step for step in node['pipeline'] if not any(
            name.startswith('Load') for name in type_names(step, TRANSFORMS))
    ]
