"""Counting people by the sum of a density map (paper, Section 4.2)."""
from typing import Dict, List, Optional, Sequence, Tuple, Union

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor

from ...registry_types import plain_init_cfg
from ...structures import CountingDataSample
from .cells import block_sum, num_cells, spread


@MODELS.register_module()
class DensityCounter(BaseModel):
    """A backbone and a head that predict a density map of people.

    The head's map has one value per cell of stride x stride pixels: the
    people in it times ``density_factor``. An image of any size goes in: it is
    padded at its right and bottom, and the cells of the padding count neither
    in the loss nor in the sum.

    Args:
        backbone (dict): Config of the backbone; it returns a sequence of
            feature maps.
        head (dict): Config of the head, see :class:`DensityHead`.
        data_preprocessor (dict, optional): Config of the preprocessor. Its
            ``pad_size_divisor`` must be a multiple of the backbone's stride.
            Default: None, which takes stacked float images as they are.
        density_factor (float): The network learns the density times this
            factor: values far below one would hardly train it.
            Default: 100.
        loss (dict): Config of the pixel-wise loss between the scaled maps: a
            registered name or the path of any class of PyTorch whose call
            takes prediction and target.
            Default: dict(type='torch.nn.MSELoss'), the mean over all cells.
        init_cfg (dict, optional): Initialization config. Default: None.

    Raises:
        ValueError: If ``density_factor`` is not positive.
    """

    def __init__(self,
                 backbone: dict,
                 head: dict,
                 data_preprocessor: Optional[dict] = None,
                 density_factor: float = 100.,
                 loss: dict = dict(type='torch.nn.MSELoss'),
                 init_cfg: Optional[dict] = None):
        super().__init__(data_preprocessor, plain_init_cfg(init_cfg))
        if density_factor <= 0:
            raise ValueError('density_factor must be positive, but got '
                             f'{density_factor}')
        self.backbone = MODELS.build(backbone)
        self.head = MODELS.build(head)
        self.density_loss = MODELS.build(loss)
        self.density_factor = density_factor

    def forward(
        self,
        inputs: Tensor,
        data_samples: Optional[Sequence[CountingDataSample]] = None,
        mode: str = 'tensor'
    ) -> Union[Tensor, Dict[str, Tensor], List[CountingDataSample]]:
        """The road of all modes.

        Args:
            inputs (Tensor): Normalised images of shape (B, C, H, W). Smaller
                ones are padded at the right and bottom.
            data_samples (Sequence[CountingDataSample], optional): One per
                image, with its ``img_shape`` before padding; in mode 'loss'
                also ``gt_density``.
            mode (str): 'loss', 'predict' or 'tensor'.

        Returns:
            - 'loss': the dict of losses.
            - 'predict': the data samples with ``pred_density`` and
              ``pred_count``.
            - 'tensor': the head's map of the padded images, (B, 1, h, w).

        Raises:
            ValueError: If the mode is unknown, the head's map does not fit
                onto the image, or a ``gt_density`` not onto its.
        """
        if mode not in ('loss', 'predict', 'tensor'):
            raise ValueError("mode must be 'loss', 'predict' or 'tensor', but "
                             f'got {mode!r}')
        padded = self._pad(inputs)
        scaled = self.head(self.backbone(padded))
        if mode == 'tensor':
            return scaled
        stride = _stride(padded, scaled)
        if mode == 'loss':
            return self.loss(scaled, data_samples, stride)
        if data_samples is None:
            shape = tuple(inputs.shape[-2:])
            data_samples = [
                CountingDataSample(metainfo=dict(img_shape=shape))
                for _ in inputs
            ]
        return self.predict(scaled, data_samples, stride)

    def _pad(self, inputs: Tensor) -> Tensor:
        """Zeros up to a multiple of the divisor; none after preprocessing."""
        divisor = getattr(self.data_preprocessor, 'pad_size_divisor', 1)
        height, width = inputs.shape[-2:]
        return F.pad(inputs, (0, -width % divisor, 0, -height % divisor))

    def loss(self, scaled: Tensor,
             data_samples: Sequence[CountingDataSample],
             stride: int) -> Dict[str, Tensor]:
        """Pixel-wise loss over the cells of the images.

        Args:
            scaled (Tensor): The head's map, (B, 1, h, w).
            data_samples (Sequence[CountingDataSample]): With ``gt_density``.
            stride (int): Side of a cell in pixels.
        """
        predictions, targets = [], []
        for density, sample in zip(scaled, data_samples):
            target = _cells_of(sample, stride) * self.density_factor
            height, width = target.shape[-2:]
            predictions.append(density[..., :height, :width])
            targets.append(target.to(density.dtype))
        if len({target.shape for target in targets}) == 1:
            prediction, target = map(torch.stack, (predictions, targets))
        else:
            prediction, target = (
                torch.cat([map_.flatten() for map_ in maps])
                for maps in (predictions, targets))
        return dict(loss_density=self.density_loss(prediction, target))

    def predict(self, scaled: Tensor,
                data_samples: Sequence[CountingDataSample],
                stride: int) -> List[CountingDataSample]:
        """Densities in people per pixel, and their sums.

        Args:
            scaled (Tensor): The head's map, (B, 1, h, w).
            data_samples (Sequence[CountingDataSample]): One per image.
            stride (int): Side of a cell in pixels.
        """
        people = scaled.float() / self.density_factor
        for cells, sample in zip(people, data_samples):
            height, width = (num_cells(n, stride) for n in sample.img_shape)
            cells = cells[..., :height, :width]
            sample.pred_density = spread(cells, stride, sample.img_shape)
            sample.pred_count = cells.sum().item()
        return list(data_samples)


def _stride(images: Tensor, cells: Tensor) -> int:
    """Pixels per cell, from the two maps.

    Raises:
        ValueError: If they are not a whole number, the same in both ways.
    """
    (height, width), (rows, columns) = images.shape[-2:], cells.shape[-2:]
    stride = height // rows
    if (rows * stride, columns * stride) != (height, width):
        raise ValueError(
            f'the head gives {rows} x {columns} cells for an image of '
            f"{height} x {width} pixels: set the data preprocessor's "
            "pad_size_divisor to a multiple of the backbone's stride")
    return stride


def _cells_of(sample: CountingDataSample, stride: int) -> Tensor:
    """The sample's density in people per cell, (1, h, w).

    Raises:
        ValueError: If its size is neither that of the image nor of the cells.
    """
    density: Tensor = sample.gt_density
    shape: Tuple[int, int] = tuple(sample.img_shape)
    if tuple(density.shape[-2:]) == shape:
        return block_sum(density, stride)
    cells = tuple(num_cells(n, stride) for n in shape)
    if tuple(density.shape[-2:]) != cells:
        raise ValueError(
            f'gt_density of {sample.get("img_path", "an image")} has shape '
            f'{tuple(density.shape)}, but the image is {shape} and the head '
            f'gives {cells}: generate the map with stride 1 or {stride}')
    return density
