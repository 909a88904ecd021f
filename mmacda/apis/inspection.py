"""An image as a model takes it, and the network run on it."""
from typing import Any, Sequence

import numpy as np
import torch
import torch.nn as nn
from mmengine.registry import TRANSFORMS
from torch import Tensor

from ..io.pictures import from_zero_to_one, read_picture, to_dtype
from ..registry_types import type_names


def read_image(path: str, model: nn.Module, **options: Any) -> np.ndarray:
    """Read an image with the channels that a model takes.

    Args:
        path (str): Any format. 16 bits become 8. Floating-point pixels, of
            TIFF, are scaled to 0 ... 255, see :func:`mmacda.io.load_picture`;
            a model that does not normalise its input gets them as they are.
        model (nn.Module): Grey if it takes a single channel, else colour, in
            the order in which the ``LoadImageFromFile`` of its config's test
            pipeline gives it, BGR if it does not say.
        **options: Of :func:`mmacda.io.load_picture`, such as ``max_pixels``.

    Returns:
        np.ndarray: Shape (H, W, 1 or 3), uint8, or float32 of a
        floating-point file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not an image.
    """
    normalises = getattr(
        getattr(model, 'data_preprocessor', None), 'mean', None) is not None
    image = read_picture(
        path,
        image_channels(model),
        order=channel_order(model),
        raw_floats=True,
        **options)
    if image.dtype != np.float32:
        return to_dtype(image, np.uint8)
    return from_zero_to_one(image, path) * np.float32(255) if normalises \
        else image


def image_channels(model: nn.Module) -> int:
    """1 or 3: what the mean of the preprocessor or the first layer says."""
    mean = getattr(getattr(model, 'data_preprocessor', None), 'mean', None)
    if isinstance(mean, Tensor) and mean.numel() > 1:
        return 3
    for module in model.modules():
        if hasattr(module, 'in_channels') and hasattr(module, 'kernel_size'):
            return 1 if module.in_channels == 1 else 3
    return 3


def channel_order(model: nn.Module) -> str:
    """'rgb' or 'bgr': how the test pipeline of a model's config loads.

    A preprocessor that is told the order of each image (mmagic's, with
    ``output_channel_order``) takes it to be BGR where it is not.
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    if getattr(preprocessor, 'output_channel_order', None):
        return 'bgr'
    cfg = getattr(model, 'cfg', None) or {}
    loader = cfg.get('test_dataloader') or {}
    loader = loader[0] if isinstance(loader, (list, tuple)) else loader
    pipeline = loader.get('dataset', {}).get('pipeline') \
        or cfg.get('test_pipeline') or []
    for step in pipeline:
        if 'LoadImageFromFile' in type_names(step, TRANSFORMS,
                                             cfg.get('default_scope')):
            return step.get('channel_order', 'bgr')
    return 'bgr'


def preprocess(model: nn.Module, image: np.ndarray) -> Tensor:
    """The network's input of one image, by the model's own preprocessor.

    Args:
        model (nn.Module): Without a ``data_preprocessor`` the image is only
            cast to float.
        image (np.ndarray): Shape (H, W, C), see :func:`read_image`.

    Returns:
        Tensor: Shape (1, C, H', W'), on the model's device; H' and W' are
        larger where the preprocessor pads.
    """
    tensor = torch.from_numpy(
        np.ascontiguousarray(image.transpose(2, 0, 1)))
    preprocessor = getattr(model, 'data_preprocessor', None)
    if preprocessor is None:
        parameter = next(model.parameters())
        return tensor[None].to(parameter.device).float()
    inputs = preprocessor(dict(inputs=[tensor]), False)['inputs']
    return (inputs if isinstance(inputs, Tensor) else inputs[0][None]).float()


@torch.no_grad()
def run_model(model: nn.Module, inputs: Tensor) -> Any:
    """Forward in mode 'tensor', which is every MMEngine model's default.

    Raises:
        ValueError: If the network cannot take an input of that size.
    """
    try:
        return model(inputs)
    except (RuntimeError, ValueError) as error:
        height, width = inputs.shape[2:]
        raise ValueError(
            f'the model cannot take an image of {height} x {width} pixels '
            f'({str(error).splitlines()[0]}); --resize changes it') from error


def displayed(image: np.ndarray, model: nn.Module,
              size: Sequence[int]) -> np.ndarray:
    """An image as people see it: RGB, uint8, shape (*size, 3).

    Args:
        image (np.ndarray): Shape (H, W, C), see :func:`read_image`. Other
            than uint8, it is stretched from its smallest to its largest
            value.
        model (nn.Module): Whose channel order the image has.
        size (Sequence[int]): Height and width of the network's input; what
            it has been padded with is black.
    """
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        image = np.round((image - low) * (255 / max(high - low, 1e-12)))
        image = image.astype(np.uint8)
    if image.shape[2] == 1:
        image = image.repeat(3, axis=2)
    elif channel_order(model) == 'bgr':
        image = image[..., ::-1]
    margin = [(0, max(0, s - n)) for s, n in zip(size, image.shape)]
    return np.ascontiguousarray(
        np.pad(image, [*margin, (0, 0)])[:size[0], :size[1]])
