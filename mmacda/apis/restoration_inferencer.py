"""Restoration of photographs of any size, depth and number of channels."""
import os
import os.path as osp
import sys
from importlib.util import find_spec
from typing import Any, Iterator, Optional, Tuple, Union

import mmcv
import numpy as np
import torch
from mmengine.config import Config
from mmengine.utils import ProgressBar, mkdir_or_exist

from .load_model import load_model

WHITE = {np.dtype('uint8'): 255, np.dtype('uint16'): 65535}
# What holds 16 bits, and an alpha channel.
LOSSLESS = ('.png', '.tif', '.tiff')
# Of networks that do not tell: their results with tiles are close, not equal.
DEFAULT_RADIUS, DEFAULT_DIVISOR = 64, 16


class RestorationInferencer:
    """Super-resolution or denoising of photographs by an mmagic model.

    Takes any model whose predictions have ``pred_img``, such as
    ``BaseEditModel`` with any generator. The result keeps the depth (8 or 16
    bits), grey stays grey, and an alpha channel is carried over.

    Args:
        config (str | Config): Config of the model.
        checkpoint (str, optional): Its weights. Default: None, untrained.
        device (str, optional): Default: None, CUDA if there is one.

    Raises:
        ImportError: If mmagic is not installed.

    Example:
        >>> from mmacda.apis import RestorationInferencer
        >>> restore = RestorationInferencer(config, checkpoint)
        >>> restore.file('photo.png', 'restored.png', tile=512)
    """

    def __init__(self,
                 config: Union[str, Config],
                 checkpoint: Optional[str] = None,
                 device: Optional[str] = None):
        # Not mmagic.apis, whose other tasks need more packages.
        if find_spec('mmagic') is None:
            raise ImportError('restoration needs mmagic: pip install mmagic')
        if device is None:
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        if not isinstance(config, Config):
            config = Config.fromfile(config)
        self.model = load_model(config, checkpoint, device)
        # There is no ground truth to look for, and to warn about.
        self.model.data_preprocessor.data_keys = None
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
            tile (int, optional): Side of the tiles in pixels, to bound the
                memory. Default: None, the whole image at once.
            overlap (int, optional): Pixels around each tile that are
                processed with it and dropped. Default: None, the network's
                receptive field, with which the result is that of the whole
                image; 64 if the network does not tell.
            progress (bool): Show a progress bar. Default: False.

        Returns:
            np.ndarray: dtype and channels of ``image``.

        Raises:
            TypeError: If the dtype is not supported.
            ValueError: If the shape, ``tile`` or ``overlap`` is not.
        """
        _check_image(image)
        overlap = self.radius if overlap is None else overlap
        if tile is not None and tile < 1:
            raise ValueError(f'tile must be positive, but got {tile}')
        if overlap < 0:
            raise ValueError(f'overlap must not be negative, but got '
                             f'{overlap}')
        channels = 1 if image.ndim == 2 else image.shape[2]
        # At multiples of the divisor the network's grid stays in place.
        tile, overlap = (
            None if n is None else -(-n // self.divisor) * self.divisor
            for n in (tile, overlap))
        colour = image.reshape(*image.shape[:2], -1)[..., :3]
        white = WHITE[image.dtype]
        windows = list(_windows(image.shape[:2], tile, overlap))
        bar = ProgressBar(
            len(windows), file=sys.stderr) if progress else None
        result = None
        for inner, outer in windows:
            pixels = colour[outer].astype(np.float32) * (255 / white)
            if channels == 1:
                pixels = pixels.repeat(3, axis=2)
            restored = self._predict(pixels)
            scale = restored.shape[0] // pixels.shape[0]
            if channels == 1:
                restored = restored.mean(2, keepdims=True)
            if result is None:
                result = np.empty((image.shape[0] * scale,
                                   image.shape[1] * scale, colour.shape[2]),
                                  image.dtype)
            inside = _scaled(inner, scale)
            result[inside] = np.round(
                restored[_scaled(inner, scale, outer)] * (white / 255))
            if bar is not None:
                bar.update()
        if bar is not None:
            bar.file.write('\n')
        if channels == 4:
            alpha = image[..., 3]
            if result.shape[:2] != alpha.shape:
                alpha = mmcv.imresize(
                    alpha, result.shape[1::-1], interpolation='bicubic')
            result = np.dstack([result, alpha])
        return result.reshape(*result.shape[:2], *image.shape[2:])

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

    def file(self, path: str, out: str, **kwargs: Any) -> None:
        """Restore a picture on disk.

        Args:
            path (str): PNG, JPEG, TIFF, ... A camera's rotation mark is
                applied.
            out (str): File to write. 16 bits and alpha need .png or .tif.
            **kwargs: Of :meth:`__call__`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no picture, or ``out`` cannot hold it.
        """
        image = read_picture(path)
        check_format(image, out)
        try:
            restored = self(image, **kwargs)
        except (TypeError, ValueError) as error:
            raise type(error)(f'{path}: {error}') from error
        mkdir_or_exist(osp.dirname(osp.abspath(out)))
        stem, extension = osp.splitext(out)
        temporary = f'{stem}.{os.getpid()}{extension}'
        mmcv.imwrite(restored, temporary)
        os.replace(temporary, out)


def read_picture(path: str) -> np.ndarray:
    """A picture in its own depth and channels: grey, BGR or BGRA.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no picture.
    """
    image = mmcv.imread(path, flag='unchanged', backend='cv2')
    if image is None:
        raise ValueError(f'{path} cannot be read: it is no picture, or it is '
                         'damaged')
    # 'unchanged' leaves a camera's rotation mark aside; the others apply it.
    if image.dtype == np.uint8 and image.ndim == 2:
        image = mmcv.imread(path, flag='grayscale', backend='cv2')
    elif image.dtype == np.uint8 and image.shape[2] == 3:
        image = mmcv.imread(path, flag='color', backend='cv2')
    return image


def check_format(image: np.ndarray, out: str) -> None:
    """Refuse a file format that would lose depth or alpha.

    Raises:
        ValueError: If it does.
    """
    extension = osp.splitext(out)[1].lower()
    if extension in LOSSLESS:
        return
    for what, found in (('16 bits', image.dtype == np.uint16),
                        ('an alpha channel',
                         image.ndim == 3 and image.shape[2] == 4)):
        if found:
            raise ValueError(f'the photograph has {what}, which {out} cannot '
                             f'hold: use {", ".join(LOSSLESS)}')


def _check_image(image: np.ndarray) -> None:
    given = getattr(image, 'dtype', type(image).__name__)
    if not isinstance(image, np.ndarray) or given not in WHITE:
        raise TypeError('supported are arrays of 8 or 16 bits (uint8, '
                        f'uint16), but got {given}')
    if image.ndim not in (2, 3) or image.ndim == 3 \
            and image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError('supported are grey, BGR and BGRA images of shape '
                         f'(H, W) or (H, W, C), but got {image.shape}')


Window = Tuple[slice, slice]


def _windows(shape: Tuple[int, int], tile: Optional[int],
             overlap: int) -> Iterator[Tuple[Window, Window]]:
    """Tiles, and the same with the overlap inside the image."""
    starts = [range(0, side, tile or side) for side in shape]
    for top in starts[0]:
        for left in starts[1]:
            begin = (top, left)
            end = [
                min(b + (tile or side), side) for b, side in zip(begin, shape)
            ]
            yield tuple(map(slice, begin, end)), tuple(
                slice(max(b - overlap, 0), min(e + overlap, side))
                for b, e, side in zip(begin, end, shape))


def _scaled(window: Window, scale: int,
            origin: Optional[Window] = None) -> Window:
    """The window in the enlarged image, relative to that of an origin."""
    offsets = [s.start for s in origin] if origin else (0, 0)
    return tuple(
        slice((s.start - o) * scale, (s.stop - o) * scale)
        for s, o in zip(window, offsets))
