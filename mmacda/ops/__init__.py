"""Functions on tensors: the adaptive convolution and its atom bases."""
from . import reference
from .fourier_bessel import fourier_bessel_bases, fourier_bessel_set
from .functional import adaptive_conv2d, available_backends

__all__ = [
    'adaptive_conv2d', 'available_backends', 'fourier_bessel_bases',
    'fourier_bessel_set', 'reference'
]
