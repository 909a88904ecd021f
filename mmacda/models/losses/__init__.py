"""Losses on MMEngine's root registry."""
from .variational_denoising import (VariationalDenoisingLoss,
                                    gaussian_likelihood, kl_clean_image,
                                    kl_noise_variance, local_noise_variance)

__all__ = [
    'VariationalDenoisingLoss', 'gaussian_likelihood', 'kl_clean_image',
    'kl_noise_variance', 'local_noise_variance'
]
