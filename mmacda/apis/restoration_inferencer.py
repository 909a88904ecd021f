"""Restoration of photographs of any size, depth and number of channels."""
import sys
from importlib.util import find_spec
from typing import Any, Optional, Union

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.utils import ProgressBar

from ..io import check_output, load_picture, write_picture
from ..io.picture_writer import check_ending, check_picture
from ..io.pictures import WHITE
from ..io.tiling import Tile, scale_window, tile_image
from .images import check_array
from .load_model import load_model
from .packaged_models import RESTORATION, resolve_model

# Of networks that do not tell: their results with tiles are close, not equal.
DEFAULT_RADIUS, DEFAULT_DIVISOR = 64, 16


class RestorationInferencer:
    """Super-resolution or denoising of photographs by an mmagic model.

    Takes any model with mmagic's data preprocessor whose predictions have
    ``pred_img``, such as ``BaseEditModel`` with any generator. The result
    keeps the depth (8 or 16 bits), grey stays grey, and an alpha channel is
    carried over.

    Args:
        config (str | Config, optional): Config of the model, or the name of a
            packaged one, see :func:`mmacda.apis.list_models`. Default: None,
            the packaged denoiser.
        checkpoint (str, optional): Its weights. Default: None, a packaged
            model's own; others are untrained.
        device (str, optional): Default: None, CUDA if there is one.

    Raises:
        ImportError: If mmagic is not installed.
        ValueError: If the config cannot be used, is not of such a model, there
            is no packaged model of that name, or the checkpoint does not fit.

    Example:
        >>> from mmacda.apis import RestorationInferencer
        >>> restore = RestorationInferencer(config, checkpoint)
        >>> restore.file('photo.png', 'restored.png', tile=512)
        >>> RestorationInferencer('photo-enlarger-x2').file(
        ...     'photo.png', 'large.png')
    """

    def __init__(self,
                 config: Union[str, Config, None] = None,
                 checkpoint: Optional[str] = None,
                 device: Optional[str] = None):
        # Not mmagic.apis, whose other tasks need more packages.
        if find_spec('mmagic') is None:
            raise ImportError('restoration needs mmagic: pip install mmagic')
        if device is None:
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.model = load_model(
            *resolve_model(config, checkpoint, RESTORATION), device)
        preprocessor = getattr(self.model, 'data_preprocessor', None)
        if not hasattr(preprocessor, 'data_keys'):
            raise ValueError(
                f'{type(self.model).__name__} is no network for restoration: '
                "its data preprocessor must be mmagic's, but is "
                f'{type(preprocessor).__name__}')
        # There is no ground truth to look for, and to warn about.
        preprocessor.data_keys = None
        generator = getattr(self.model, 'generator', self.model)
        self.radius = getattr(generator, 'receptive_radius', DEFAULT_RADIUS)
        self.divisor = getattr(generator, 'divisor', DEFAULT_DIVISOR)

    def __call__(self,
                 image: np.ndarray,
                 tile: Optional[int] = None,
                 overlap: Optional[int] = None,
                 progress: bool = False) -> np.ndarray:
        """Restore one image.

        Args:
            image (np.ndarray): uint8 or uint16 of shape (H, W) or (H, W, C):
                grey, BGR or BGRA. Alpha is not restored, but interpolated if
                the model enlarges.
            tile (int, optional): Side of a tile in pixels, without its
                context, to bound the memory. Default: None, the whole image
                at once.
            overlap (int, optional): Context around each tile in pixels, which
                is processed with it and dropped. Default: None, the network's
                receptive field, with which the result is that of the whole
                image; 64 if the network does not tell.
            progress (bool): Show a progress bar of the tiles. Default: False.

        Returns:
            np.ndarray: dtype and channels of ``image``.

        Raises:
            TypeError: If the dtype is not supported.
            ValueError: If the shape, ``tile`` or ``overlap`` is not.
        """
        check_array(image)
        # At multiples of the divisor the network's grid stays in place.
        tiles = tile_image(image.shape[:2], tile,
                           self.radius if overlap is None else overlap,
                           self.divisor)
        colour = image.reshape(*image.shape[:2], -1)[..., :3]
        bar = ProgressBar(len(tiles), file=sys.stderr) if progress else None
        result = None
        for piece in tiles:
            restored = self._restore(colour, piece)
            scale = restored.shape[0] // (
                piece.inner[0].stop - piece.inner[0].start)
            if result is None:
                size = (image.shape[0] * scale, image.shape[1] * scale)
                result = np.empty((*size, colour.shape[2]), image.dtype)
            result[scale_window(piece.inner, scale)] = restored
            if bar is not None:
                bar.update()
        if bar is not None:
            bar.file.write('\n')
        if image.ndim == 3 and image.shape[2] == 4:
            alpha = image[..., 3]
            if size != alpha.shape:
                alpha = mmcv.imresize(
                    alpha, size[::-1], interpolation='bicubic')
            result = np.dstack([result, alpha])
        return result.reshape(*size, *image.shape[2:])

    def _restore(self, colour: np.ndarray, piece: Tile) -> np.ndarray:
        """The tile alone, in the values of ``colour``, rounded."""
        white = WHITE[colour.dtype]
        pixels = colour[piece.outer].astype(np.float32) * (255 / white)
        if colour.shape[2] == 1:
            pixels = pixels.repeat(3, axis=2)
        restored = self._predict(pixels)
        scale = restored.shape[0] // pixels.shape[0]
        restored = restored[scale_window(piece.inner_of_outer, scale)]
        if colour.shape[2] == 1:
            restored = restored.mean(2, keepdims=True)
        return np.round(restored * (white / 255))

    @torch.no_grad()
    def _predict(self, pixels: np.ndarray) -> np.ndarray:
        """Predict float32 BGR of (h, w, 3) with white at 255.

        Models that do not ask for an order get RGB, as from the pipelines of
        mmagic's configs.
        """
        from mmagic.structures import DataSample
        inputs = torch.from_numpy(
            np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1)))
        sample = DataSample(
            metainfo=dict(img_channel_order='rgb', img_color_type='color'))
        sample, = self.model.test_step(
            dict(inputs=[inputs], data_samples=[sample]))
        return sample.output.pred_img.numpy().transpose(1, 2, 0)

    def file(self,
             path: str,
             out: str,
             white: Optional[int] = None,
             max_pixels: Optional[int] = None,
             **kwargs: Any) -> None:
        """Restore a picture on disk.

        Args:
            path (str): PNG, JPEG, TIFF, ... A camera's rotation mark is
                applied.
            out (str): File to write, never ``path`` itself. 16 bits need
                .png or .tif, alpha these or .webp. The colour profile is
                kept.
            white (int, optional): See :func:`mmacda.io.load_picture`.
            max_pixels (int, optional): See :func:`mmacda.io.load_picture`.
            **kwargs: Of :meth:`__call__`.

        Raises:
            FileNotFoundError: If there is no such file.
            OSError: If ``out`` cannot be written.
            ValueError: If it is no picture, or ``out`` cannot hold it.
        """
        check_ending(out)
        check_output(out, [path])
        picture = load_picture(
            path, order='bgr', white=white, max_pixels=max_pixels)
        check_picture(out, picture.pixels.shape, picture.pixels.dtype)
        restored = self(picture.pixels, **kwargs)
        write_picture(out, restored, 'bgr', picture.icc_profile)


def read_picture(path: str, **options: Any) -> np.ndarray:
    """A picture in its own depth and channels: grey, BGR or BGRA.

    Args:
        path (str): File.
        **options: Of :func:`mmacda.io.load_picture`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no picture.
    """
    pixels = load_picture(path, order='bgr', **options).pixels
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def check_format(image: np.ndarray, out: str) -> None:
    """Refuse a file format that would lose depth or alpha.

    Raises:
        ValueError: If it does.
    """
    check_picture(out, image.shape, image.dtype)
