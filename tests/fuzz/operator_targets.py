"""The operator and its bases."""
import numpy as np
import torch
from hypothesis import strategies as st

from mmacda.ops import (adaptive_conv2d, available_backends,
                        fourier_bessel_bases, fourier_bessel_set)

from .harness import spoil, target, tensors

SIDES = st.sampled_from((5, 6, 7, 8, 9, 3, 2, 1, 0))
SCALES = (None, (3, ), (5, ), (3, 5), (3, 5, 7))


def pairs(low, high):
    number = st.integers(low, high)
    return st.one_of(number, st.tuples(number, number))


def as_pair(value):
    return value if isinstance(value, tuple) else (value, value)


@target(share=6)
def operator(draw):
    """Shapes that fit each other, then one of them or an option spoiled."""
    groups = draw(st.integers(1, 3))
    geometry = dict(
        stride=draw(pairs(1, 3)),
        padding=draw(pairs(0, 4)),
        dilation=draw(pairs(1, 2)))
    scales = draw(st.sampled_from(SCALES))
    kernel = scales[-1] if scales else draw(st.sampled_from((1, 3)))
    bases = fourier_bessel_bases(scales, draw(st.integers(1, 6))).float() \
        if scales else None
    channels, out = (groups * draw(st.integers(1, 2)) for _ in range(2))
    atoms, batch = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    size = draw(SIDES), draw(SIDES)
    out_size = tuple(
        max(0, (n + 2 * p - d * (kernel - 1) - 1) // s + 1)
        for n, s, p, d in zip(size, *map(as_pair, geometry.values())))
    num_bases = kernel**2 if bases is None else len(bases)
    dtype = draw(st.sampled_from(
        (torch.float32, torch.float64, torch.bfloat16)))
    magnitudes = (0., 1e-6, 1., 1e3)
    arguments = dict(
        input=tensors(draw, (batch, channels, *size), dtype, magnitudes),
        basis_coefficients=tensors(
            draw, (batch, atoms, num_bases, *out_size), dtype, magnitudes),
        atom_bases=bases,
        weight=tensors(draw, (out, channels // groups * atoms, 1, 1), dtype,
                       magnitudes),
        bias=draw(st.sampled_from((None, torch.zeros(out, dtype=dtype)))),
        groups=groups,
        backend=draw(st.sampled_from((None, *available_backends()))),
        **geometry)
    if draw(st.sampled_from(range(8))) == 7:  # a tensor of another shape
        name = draw(st.sampled_from(
            ('input', 'basis_coefficients', 'weight')))
        shape = draw(st.lists(st.integers(0, 4), max_size=5))
        arguments[name] = tensors(draw, tuple(shape), dtype)
    arguments = spoil(
        draw, arguments, more=(torch.ones(2), np.ones((1, 2, 3, 3))))

    def call():
        wanted = {
            name: value.detach().requires_grad_()
            for name, value in arguments.items()
            if isinstance(value, torch.Tensor) and name in (
                'input', 'basis_coefficients', 'weight')
            and value.is_floating_point()
        }
        output = adaptive_conv2d(**{**arguments, **wanted})
        if not output.numel():
            return output
        return output, torch.autograd.grad(output.sum(),
                                           list(wanted.values()))

    return call


@target(share=1)
def bases(draw):
    arguments = spoil(
        draw,
        dict(
            scales=draw(st.one_of(st.sampled_from(((3, ), (3, 5, 7), (5, 9))),
                                  st.lists(st.integers(-1, 11), max_size=4))),
            num_bases=draw(st.integers(0, 8))))
    return lambda: fourier_bessel_bases(**arguments)


@target(share=1)
def basis_set(draw):
    sizes = (3, 5, 7, 9, 13, 1, 4, -3)
    arguments = spoil(draw, dict(size=draw(st.sampled_from(sizes))))
    return lambda: fourier_bessel_set(**arguments)
