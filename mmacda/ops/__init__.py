"""Functions on tensors: the adaptive convolution and its atom bases."""
from . import reference
from .fourier_bessel import fourier_bessel_bases, fourier_bessel_set
from .functional import adaptive_conv2d, available_backends, warm_up
from .generated import adaptive_conv2d_generated
from .generator import Generator

__all__ = [
    'Generator', 'adaptive_conv2d', 'adaptive_conv2d_generated',
    'available_backends', 'fourier_bessel_bases',
    'fourier_bessel_set', 'reference', 'warm_up'
]
