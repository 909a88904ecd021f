r"""The objective of VDNet, a variational denoising network.

Zongsheng Yue et al., "Variational Denoising Network: Toward Blind Noise
Modeling and Removal", NeurIPS 2019. The posterior of the clean image is
N(:math:`\mu`, :math:`m^2`), that of the noise variance is
IG(:math:`\alpha`, :math:`\beta`), both per pixel and channel. Images are in
[0, 1]; every term is a mean over batch, channels and pixels.
"""
import math
from typing import Dict, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor

from ...ops.autocast import call_as_given

# All logarithms that the networks predict are clamped to this range.
LOG_RANGE = (math.log(1e-8), math.log(1e4))
MIN_VARIANCE = 1e-10


def local_noise_variance(noisy: Tensor,
                         clean: Tensor,
                         radius: int = 3) -> Tensor:
    """Squared noise, averaged over a Gaussian window.

    The window has ``2 * radius + 1`` pixels and a standard deviation of
    ``radius``; borders are mirrored at the centre of the outermost pixel.

    Args:
        noisy (Tensor): Images, shape (B, C, H, W).
        clean (Tensor): Same shape.
        radius (int): Pixels. Default: 3.

    Returns:
        Tensor: Variances, same shape, at least 1e-10.

    Raises:
        ValueError: If the images differ in shape or a side is not larger than
            the radius.
    """
    if noisy.shape != clean.shape or noisy.dim() != 4:
        raise ValueError('noisy and clean must have one shape (B, C, H, W), '
                         f'but got {tuple(noisy.shape)} and '
                         f'{tuple(clean.shape)}')
    if min(noisy.shape[-2:]) <= radius:
        raise ValueError('the sides of the images must be larger than the '
                         f'radius of {radius} pixels, but got '
                         f'{tuple(noisy.shape[-2:])}')
    channels = noisy.shape[1]
    offsets = torch.arange(
        -radius, radius + 1, dtype=noisy.dtype, device=noisy.device)
    window = torch.softmax(-offsets.square() / (2 * radius**2), dim=0)
    window = window.expand(channels, 1, -1)
    squared = F.pad((noisy - clean).square(), (radius, ) * 4, mode='reflect')
    blurred = F.conv2d(squared, window[..., None], groups=channels)
    blurred = F.conv2d(blurred, window[:, :, None], groups=channels)
    return blurred.clamp(min=MIN_VARIANCE)


def gaussian_likelihood(noise: Tensor, log_variance: Tensor,
                        log_alpha: Tensor, log_beta: Tensor) -> Tensor:
    """Negative log-likelihood of the noisy image, expected under both
    posteriors.

    Args:
        noise (Tensor): Predicted noise, noisy image minus posterior mean.
        log_variance (Tensor): Logarithm of the clean image's posterior
            variance.
        log_alpha (Tensor): Logarithm of the inverse gamma's shape.
        log_beta (Tensor): Logarithm of its scale.

    Returns:
        Tensor: A scalar.
    """
    alpha = log_alpha.exp()
    precision = alpha * (-log_beta).exp()
    return 0.5 * (
        math.log(2 * math.pi) +
        (log_beta - torch.digamma(alpha) +
         (noise.square() + log_variance.exp()) * precision).mean())


def kl_clean_image(noise: Tensor, log_variance: Tensor, true_noise: Tensor,
                   prior_variance: float) -> Tensor:
    """KL divergence of the clean image's posterior from its prior.

    The prior is a narrow Gaussian around the ground truth.

    Args:
        noise (Tensor): Predicted noise.
        log_variance (Tensor): Logarithm of the posterior variance.
        true_noise (Tensor): Noisy image minus ground truth.
        prior_variance (float): Variance of the prior.

    Returns:
        Tensor: A scalar.
    """
    log_ratio = log_variance - math.log(prior_variance)
    distance = (noise - true_noise).square() / prior_variance
    return 0.5 * (distance + torch.expm1(log_ratio) - log_ratio).mean()


def kl_noise_variance(log_alpha: Tensor, log_beta: Tensor,
                      prior_alpha: float, prior_beta: Tensor) -> Tensor:
    """KL divergence of the noise variance's posterior from its prior, both
    inverse gamma.

    Args:
        log_alpha (Tensor): Logarithm of the posterior's shape.
        log_beta (Tensor): Logarithm of its scale.
        prior_alpha (float): Shape of the prior.
        prior_beta (Tensor): Scale of the prior, per pixel.

    Returns:
        Tensor: A scalar.
    """
    alpha = log_alpha.exp()
    log_ratio = prior_beta.log() - log_beta
    return ((alpha - prior_alpha) * torch.digamma(alpha) +
            math.lgamma(prior_alpha) - torch.lgamma(alpha) -
            prior_alpha * log_ratio + alpha * torch.expm1(log_ratio)).mean()


@MODELS.register_module()
class VariationalDenoisingLoss(nn.Module):
    r"""VDNet's negative evidence lower bound.

    The prior of the noise variance is IG(:math:`p^2/2 - 1`,
    :math:`p^2 \xi/2`) with a window of :math:`p = 2\,radius + 1` pixels: its
    mode is :math:`\xi`, see :func:`local_noise_variance`.

    Args:
        prior_variance (float): Variance of the clean image's prior. The
            original takes 1e-6 for real noise and 5e-5 for synthetic noise.
            Default: 1e-6.
        radius (int): Radius of the window in pixels. Default: 3.

    Raises:
        ValueError: If an argument is not positive.
    """

    def __init__(self, prior_variance: float = 1e-6, radius: int = 3):
        super().__init__()
        if prior_variance <= 0:
            raise ValueError('prior_variance must be positive, but got '
                             f'{prior_variance}')
        if radius < 1:
            raise ValueError(f'radius must be at least 1, but got {radius}')
        self.prior_variance = prior_variance
        self.radius = radius

    def forward(self, image_posterior: Tuple[Tensor, Tensor],
                noise_posterior: Tuple[Tensor, Tensor], noisy: Tensor,
                clean: Tensor) -> Dict[str, Tensor]:
        """The three terms, whose sum is the loss.

        Args:
            image_posterior (Tuple[Tensor, Tensor]): Predicted noise and
                logarithm of the variance, shape (B, C, H, W).
            noise_posterior (Tuple[Tensor, Tensor]): Logarithms of alpha and
                beta, same shape.
            noisy (Tensor): Images in [0, 1], same shape.
            clean (Tensor): Ground truth, same shape.

        Returns:
            Dict[str, Tensor]: ``loss_likelihood``, ``loss_kl_image`` and
            ``loss_kl_noise``, scalars.
        """
        noise, log_variance = image_posterior
        log_variance, log_alpha, log_beta = (
            value.clamp(*LOG_RANGE)
            for value in (log_variance, *noise_posterior))
        half_window = (2 * self.radius + 1)**2 / 2
        prior_beta = half_window * call_as_given(local_noise_variance, noisy,
                                                 clean, self.radius)
        return dict(
            loss_likelihood=gaussian_likelihood(noise, log_variance,
                                                log_alpha, log_beta),
            loss_kl_image=kl_clean_image(noise, log_variance, noisy - clean,
                                         self.prior_variance),
            loss_kl_noise=kl_noise_variance(log_alpha, log_beta,
                                            half_window - 1, prior_beta))
