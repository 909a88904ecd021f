"""VDNet's training with any network, as a model of mmagic.

This file needs mmagic; :mod:`mmacda.models.restoration.builders` registers
its class without importing it.
"""
import math
from typing import Any, Dict, Optional, Tuple

import torch
from mmagic.models.base_models import BaseEditModel
from mmengine.registry import MODELS
from torch import Tensor

from ...registry_types import plain_init_cfg
from ..losses.variational_denoising import LOG_RANGE


class VariationalDenoiser(BaseEditModel):
    """Blind denoising by variational inference (paper, Section 4.3).

    The generator (D-Net) predicts the noise and the variance of the clean
    image, the noise network (S-Net) the inverse gamma posterior of the noise
    variance; both see the noisy image. Inference takes the generator alone.

    Args:
        generator (dict): Config of a network from C to 2C channels of the
            same size, such as ``dict(type='ACDARestorer', out_channels=6)``
            or ``dict(type='VDNUNet')``.
        noise_net (dict): Config of a network from C to 2C channels.
            Default: dict(type='VDNNoiseNet').
        pixel_loss (dict): Config of the loss.
            Default: dict(type='VariationalDenoisingLoss').
        start_at_prior (bool): Count the predicted logarithms of the clean
            image's variance, of alpha and of beta from the prior's values
            instead of from zero. The optimum is the same. The original's
            False starts a million times above the prior's variance and
            spends its first thousands of iterations on the way down.
            Default: False.
        train_cfg (dict, optional): Not used. Default: None.
        test_cfg (dict, optional): Not used. Default: None.
        init_cfg (dict, optional): Initialization config. Default: None.
        data_preprocessor (dict, optional): Must divide by
            white, as ``std=[255.] * 3`` does; any mean.
            Default: None.
    """

    # Noise variance from which ``start_at_prior`` starts beta: that of a
    # standard deviation of 0.05 on the range [0, 1].
    START_VARIANCE = 0.05**2

    def __init__(self,
                 generator: dict,
                 noise_net: dict = dict(type='VDNNoiseNet'),
                 pixel_loss: dict = dict(type='VariationalDenoisingLoss'),
                 start_at_prior: bool = False,
                 train_cfg: Optional[dict] = None,
                 test_cfg: Optional[dict] = None,
                 init_cfg: Optional[dict] = None,
                 data_preprocessor: Optional[dict] = None):
        super().__init__(generator, pixel_loss, train_cfg, test_cfg,
                         plain_init_cfg(init_cfg), data_preprocessor)
        self.noise_net = MODELS.build(noise_net)
        self.start_at_prior = start_at_prior

    def _image_posterior(self, inputs: Tensor) -> Tuple[Tensor, Tensor]:
        noise, log_variance = _split(self.generator(inputs), inputs)
        if self.start_at_prior:
            log_variance = log_variance + math.log(
                self.pixel_loss.prior_variance)
        return noise, log_variance

    def _noise_posterior(self, inputs: Tensor) -> Tuple[Tensor, Tensor]:
        log_alpha, log_beta = _split(self.noise_net(inputs), inputs)
        if self.start_at_prior:
            window = (2 * self.pixel_loss.radius + 1)**2
            log_alpha = log_alpha + math.log(window / 2 - 1)
            log_beta = log_beta + math.log(window / 2 * self.START_VARIANCE)
        return log_alpha, log_beta

    def forward_tensor(self,
                       inputs: Tensor,
                       data_samples: Any = None,
                       **kwargs: Any) -> Tensor:
        """The posterior mean of the clean image.

        Args:
            inputs (Tensor): Noisy images, white minus black 1, shape
                (B, C, H, W).
            data_samples (DataSample, optional): Not used. Default: None.

        Returns:
            Tensor: Same shape; not clamped.
        """
        return inputs - self._image_posterior(inputs)[0]

    def forward_train(self,
                      inputs: Tensor,
                      data_samples: Any = None,
                      **kwargs: Any) -> Dict[str, Tensor]:
        """The terms of the loss.

        Args:
            inputs (Tensor): Noisy images, white minus black 1, shape
                (B, C, H, W).
            data_samples (DataSample): With the ground truth ``gt_img``.

        Returns:
            Dict[str, Tensor]: See :class:`VariationalDenoisingLoss`.
        """
        return self.pixel_loss(
            self._image_posterior(inputs), self._noise_posterior(inputs),
            inputs, data_samples.gt_img)

    @torch.no_grad()
    def noise_level(self, inputs: Tensor) -> Tensor:
        """Standard deviation of the noise: the root of the posterior mean,
        beta / (alpha - 1), of its variance.

        Args:
            inputs (Tensor): Noisy images, white minus black 1, shape
                (B, C, H, W).

        Returns:
            Tensor: Same shape and units. Infinite where alpha is at most 1:
            such a posterior has no mean.
        """
        log_alpha, log_beta = (
            value.clamp(*LOG_RANGE)
            for value in self._noise_posterior(inputs))
        excess = (log_alpha.exp() - 1).clamp(min=0)
        return (log_beta.exp() / excess).sqrt()


def _split(prediction: Tensor, image: Tensor) -> Tuple[Tensor, Tensor]:
    """The first and the last C of 2C predicted channels.

    Half precision becomes float32: the loss spans many orders of magnitude.
    """
    batch, channels, *size = image.shape
    if list(prediction.shape) != [batch, 2 * channels, *size]:
        raise ValueError(
            f'for images of shape {tuple(image.shape)}, a network of '
            f'VariationalDenoiser must predict {2 * channels} channels of '
            f'the same size, but it gave {tuple(prediction.shape)}')
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    return prediction.to(dtype).chunk(2, dim=1)
