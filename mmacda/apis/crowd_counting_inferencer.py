"""Count people, or anything else, in photos with a trained network."""
import os
import warnings
from typing import (Any, Callable, Iterable, Iterator, List, Optional,
                    Sequence, Tuple, Union)

import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import TRANSFORMS, DefaultScope
from rich.console import Console
from rich.progress import Progress

from ..datasets.transforms import PackCrowdInputs
from ..io.tiling import Tile, check_tile, tile_image
from ..registry_types import type_names
from ..structures import CountingDataSample
from .counted_image import CountedImage, Job, picture_paths
from .images import Source, list_sources, read_image
from .load_model import build_model, load_weights
from .packaged_models import COUNTING, resolve_model
from .read_config import read_config
from .receptive_radius import receptive_radius

TILE = 1696
# Of networks that see the whole image, so that no context would be enough.
WHOLE_IMAGE_RADIUS = 192
OnError = Callable[[str, Exception], None]


class CrowdCountingInferencer:
    """Counts people, or what else a network has learnt, in images of any size.

    Args:
        config (str | Path | Config, optional): Config of the network, its
            path, or the name of a packaged one, see
            :func:`mmacda.apis.list_models`. Its test pipeline, without the
            steps that load, prepares the images. Default: None, the packaged
            counter of blood cells.
        weights (str | Path, optional): Checkpoint. Default: None, a packaged
            network's own; others are left untrained, with a warning.
        device (str, optional): Default: None, the best that there is.
        show_progress (bool): Show a progress bar on the error stream.
            Default: True.

    Raises:
        FileNotFoundError: If config or checkpoint does not exist.
        ValueError: If the config cannot be used or is not of a counting
            network, there is no packaged one of that name, or the checkpoint
            is not one of this network.

    Example:
        >>> from mmacda.apis import CrowdCountingInferencer
        >>> inferencer = CrowdCountingInferencer(
        ...     'configs/counting/ad-resnet-s_synthetic.py', 'trained.pth')
        >>> for sample in inferencer('photos', out_dir='counted'):
        ...     print(sample.img_path, sample.pred_count)
    """

    def __init__(self,
                 config: Union[str, os.PathLike, Config, None] = None,
                 weights: Union[str, os.PathLike, None] = None,
                 device: Optional[str] = None,
                 show_progress: bool = True):
        config, weights = resolve_model(config, weights, COUNTING)
        config = read_config(config)
        scope = config.get('default_scope', 'mmengine')
        with DefaultScope.overwrite_default_scope(scope):
            self.pipeline = Compose(_test_pipeline(config))
        if not any(isinstance(step, PackCrowdInputs)
                   for step in self.pipeline.transforms):
            raise ValueError('the config is not one of a counting network: '
                             'its test pipeline has no PackCrowdInputs')
        self.model = build_model(config)
        if weights is None:
            warnings.warn('no weights given: the network is untrained, and so '
                          'are its counts')
        else:
            load_weights(self.model, weights)
        self.model.to(device or get_device()).eval()
        self.show_progress = show_progress
        self._radius: Optional[int] = None

    def __call__(self,
                 inputs: Union[Source, Sequence[Source]],
                 **options: Any) -> List[CountingDataSample]:
        """Count the people in each image.

        Args:
            inputs: See :meth:`stream`.
            **options: Of :meth:`stream`.

        Returns:
            list[CountingDataSample]: What :meth:`stream` yields.
        """
        return list(self.stream(inputs, **options))

    def stream(self,
               inputs: Union[Source, Sequence[Source]],
               batch_size: int = 1,
               tile: Optional[int] = TILE,
               overlap: Optional[int] = None,
               out_dir: Optional[str] = None,
               keep_maps: bool = True,
               on_error: Optional[OnError] = None,
               **reading: Any) -> Iterator[CountingDataSample]:
        """Count the people in each image, and yield results as they come.

        An image larger than a tile is cut into tiles, each of which goes
        through the network with ``overlap`` pixels of context around it. The
        default is as far as the network's receptive field reaches, so that
        cutting changes nothing but the rounding. Networks that average over
        the whole image, such as CondConv's, see each tile as an image of its
        own.

        Args:
            inputs: A path, a folder, an array (H, W, 3) in BGR order, see
                :func:`mmacda.apis.images.read_image`; or a list of them.
            batch_size (int): Images, or tiles, of one size that go through
                the network together. Default: 1.
            tile (int, optional): Side in pixels of a tile, without its
                context, which bounds the memory. None never cuts.
                Default: 1696.
            overlap (int, optional): Context around each tile, in pixels.
                Default: None, the network's receptive field; 192 if it sees
                the whole image.
            out_dir (str, optional): Folder for pictures <image name>.jpg: the
                image, and beside it heat with the count. Where that would
                replace an input or another result, a number is added to the
                name, and those of arrays are image_<n>.jpg with the first
                numbers that are free. Default: None.
            keep_maps (bool): Return the density maps too. Without them any
                number of images fits into memory. Default: True.
            on_error (Callable, optional): Called with the name of an image
                that cannot be read, and the error; the others are counted.
                Default: None, the error is raised.
            **reading: Of :func:`mmacda.io.load_picture`, such as
                ``max_pixels``.

        Yields:
            CountingDataSample: In the order of the inputs, on the CPU, with
            ``img_path``, ``pred_count`` and ``pred_density``, the latter at
            the size of the image after the pipeline; ``picture_path`` if
            there is an ``out_dir``.

        Raises:
            FileNotFoundError: If an input does not exist.
            OSError: If ``out_dir`` cannot be written to.
            TypeError: If an input or its dtype is not supported.
            ValueError: If an input is not an image, or an option is out of
                range.
        """
        if batch_size < 1:
            raise ValueError('batch_size must be at least 1, but got '
                             f'{batch_size}')
        check_tile(tile, overlap)
        sources = list_sources(inputs)
        paths = [None] * len(sources)
        if out_dir is not None:
            paths = picture_paths(sources, out_dir)
        # A generator of its own: what is wrong is said at the call.
        return self._stream(
            [Job(*source, path) for source, path in zip(sources, paths)],
            batch_size, tile, overlap, keep_maps, on_error, reading)

    def _stream(self, jobs: List[Job], batch_size: int, tile: Optional[int],
                overlap: Optional[int], keep_maps: bool,
                on_error: Optional[OnError],
                reading: dict) -> Iterator[CountingDataSample]:
        with Progress(
                console=Console(stderr=True),
                disable=not self.show_progress) as progress:
            task = progress.add_task('counting', total=len(jobs))

            def pieces() -> Iterator[Tuple[CountedImage, Tile]]:
                for job in jobs:
                    try:
                        pixels = self._prepare(job, reading)
                    except (OSError, TypeError, ValueError) as error:
                        if on_error is None:
                            raise
                        on_error(job.name, error)
                        progress.advance(task)
                        continue
                    tiles = self._tiles(pixels.shape[-2:], tile, overlap)
                    image = CountedImage(job, pixels, len(tiles))
                    yield from ((image, piece) for piece in tiles)

            for batch in _batches(pieces(), batch_size):
                self._count(batch)
                for image, _ in batch:
                    image.tiles_left -= 1
                    progress.advance(task, 1 / image.num_tiles)
                    if not image.tiles_left:
                        yield image.finish(keep_maps)

    def _tiles(self, shape: Tuple[int, int], tile: Optional[int],
               overlap: Optional[int]) -> List[Tile]:
        """As :func:`tile_image`, and the network is asked where it must be."""
        divisor = getattr(self.model.data_preprocessor, 'pad_size_divisor', 1)
        if overlap is None and tile is not None and max(shape) > tile:
            if self._radius is None:
                self._radius = receptive_radius(
                    self.model, divisor) or WHOLE_IMAGE_RADIUS
            overlap = self._radius
        return tile_image(shape, tile, overlap or 0, divisor)

    def _prepare(self, job: Job, reading: dict) -> torch.Tensor:
        """The image as the data preprocessor takes it, (3, H, W)."""
        pixels = read_image(job.source, **reading)
        shape = pixels.shape[:2]
        return self.pipeline(
            dict(
                img=pixels,
                img_path=job.name,
                img_shape=shape,
                ori_shape=shape))['inputs']

    @torch.no_grad()
    def _count(self, batch: Sequence[Tuple[CountedImage, Tile]]) -> None:
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


def _batches(pieces: Iterable[Tuple[CountedImage, Tile]],
             batch_size: int) -> Iterator[List[Tuple[CountedImage, Tile]]]:
    """Neighbours of one size; others would need padding, which is seen.

    What was read before an error comes before the error.
    """
    batch, shape = [], None
    pieces = iter(pieces)
    while True:
        try:
            image, tile = next(pieces)
        except StopIteration:
            break
        except Exception:
            if batch:
                yield batch
            raise
        size = tuple(s.stop - s.start for s in tile.outer)
        if batch and size != shape:
            yield batch
            batch = []
        batch.append((image, tile))
        shape = size
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


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
    return [step for step in node['pipeline'] if not _loads(step)]


def _loads(step: dict) -> bool:
    """Whether a step loads, itself or by one that it wraps."""
    wrapped = step.get('transform')
    return any(name.startswith('Load')
               for name in type_names(step, TRANSFORMS)) or (
                   isinstance(wrapped, dict) and _loads(wrapped))
