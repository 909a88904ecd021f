"""Bad input: an error that names the argument and what is supported."""
import numpy as np
import pytest
import torch
from mmengine.registry import MODELS

from mmacda.layers import ACDAConv


@pytest.mark.parametrize('kernel_size', (0, 2, 4, -3, (3, 5), (2, 2), (3, ),
                                         (3, 3, 3), 3.0, '3', None, True))
def test_kernel_size(kernel_size):
    with pytest.raises(ValueError, match='kernel_size must be'):
        ACDAConv(4, 8, kernel_size)


@pytest.mark.parametrize('kernel_size', (2, 4, (3, 5), (5, 3)))
def test_even_and_rectangular_kernels_hear_what_is_supported(kernel_size):
    with pytest.raises(ValueError) as error:
        ACDAConv(4, 8, kernel_size)
    assert 'odd and square' in str(error.value)
    assert repr(kernel_size) in str(error.value)


@pytest.mark.parametrize('name', ('in_channels', 'out_channels', 'groups'))
@pytest.mark.parametrize('value', (0, -2, 1.0, '4', None, True))
def test_counts(name, value):
    arguments = dict(in_channels=4, out_channels=8, kernel_size=3, groups=1)
    with pytest.raises(
            ValueError, match=f'{name} must be a positive integer.*{value!r}'):
        ACDAConv(**dict(arguments, **{name: value}))


@pytest.mark.parametrize('arguments,name', [
    (dict(in_channels=4, out_channels=9, groups=3), r'in_channels \(4\)'),
    (dict(in_channels=9, out_channels=4, groups=3), r'out_channels \(4\)'),
])
def test_channels_not_divisible_by_groups(arguments, name):
    with pytest.raises(
            ValueError, match=name + r' must be divisible by groups \(3\)'):
        ACDAConv(kernel_size=3, **arguments)


@pytest.mark.parametrize('arguments,message', [
    (dict(stride=0), 'stride must be an integer of at least 1.*got 0'),
    (dict(stride=(1, 2, 3)), 'stride must be'),
    (dict(dilation=0), 'dilation must be an integer of at least 1.*got 0'),
    (dict(padding=-1), 'padding must be an integer of at least 0.*got -1'),
    (dict(padding=1.5), 'padding must be .*got 1.5'),
    (dict(padding='full'), "padding must be .*same.*valid.*got 'full'"),
    (dict(padding='same', stride=2), "padding='same' needs stride=1"),
    (dict(padding_mode='constant'),
     "padding_mode must be one of .*zeros.*circular.*got 'constant'"),
    (dict(num_atoms=0), 'num_atoms must be a positive integer.*got 0'),
    (dict(num_atoms=True), 'num_atoms must be a positive integer.*got True'),
    (dict(num_atoms=2.0), 'num_atoms must be a positive integer.*got 2.0'),
    (dict(num_bases=0), 'num_bases must be a positive integer.*got 0'),
    (dict(num_bases=7), 'num_bases=7 exceeds the 6 .*at scale 3'),
    (dict(scales=(5, 7), num_bases=15), 'num_bases=15 exceeds the 14'),
    (dict(scales=()), 'scales must be .*odd integers'),
    (dict(scales=(4, )), r'scales must be .*odd integers.*\(4,\)'),
    (dict(scales=(5, 3)), 'scales must be strictly increasing'),
    (dict(scales=5), 'scales must be a sequence.*got 5'),
    (dict(scales=(3, 5), atom_bases=None), 'scales=.* applies to atom_bases'),
    (dict(atom_bases='wavelet'),
     "atom_bases must be 'fourier_bessel'.*got 'wavelet'"),
    (dict(atom_bases=torch.zeros(6, 9)), r'atom_bases must have shape \(J, k'),
    (dict(atom_bases=torch.zeros(6, 4, 4)), 'atom_bases must .*k odd.*4, 4'),
    (dict(atom_bases=torch.zeros(6, 3, 5)), 'atom_bases must .*k odd.*3, 5'),
    (dict(atom_generator=dict(kernel_size=2)), 'kernel_size must be odd'),
    (dict(atom_generator=dict(kernel_size=(3, 4))), 'kernel_size must be odd'),
])
def test_value_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        ACDAConv(4, 8, 3, **arguments)


def test_unknown_arguments_are_named():
    with pytest.raises(TypeError, match="argument 'num_atom'"):
        ACDAConv(4, 8, 3, num_atom=4)


def test_unknown_config_keys():
    """Built from a config, MMEngine keeps Python's message."""
    with pytest.raises(TypeError, match="argument 'atoms'"):
        MODELS.build(
            dict(
                type='ACDAConv',
                in_channels=4,
                out_channels=8,
                kernel_size=3,
                atoms=4))


def test_unknown_generator_keys_list_the_supported_ones():
    with pytest.raises(TypeError) as error:
        ACDAConv(4, 8, 3, atom_generator=dict(hidden=32))
    text = str(error.value)
    assert "atom_generator got unknown keys ['hidden']" in text
    assert 'hidden_channels' in text and 'norm_cfg' in text


@pytest.mark.parametrize('typo, meant', [('kernelsize', 'kernel_size'),
                                         ('norm', 'norm_cfg')])
def test_the_nearest_generator_key_is_named(typo, meant):
    with pytest.raises(TypeError, match=f'did you mean {meant!r}'):
        ACDAConv(4, 8, 3, atom_generator={typo: None})


NUMBERS = dict(
    in_channels=4, out_channels=8, kernel_size=3, stride=2, padding=1,
    dilation=1, groups=2, num_atoms=2, num_bases=3)


@pytest.mark.parametrize('kind', [np.int64, np.int32, np.uint8])
def test_integers_of_numpy_are_integers(kind):
    layer = ACDAConv(**{name: kind(n) for name, n in NUMBERS.items()},
                     scales=[kind(3)],
                     atom_generator=dict(hidden_channels=kind(8),
                                         kernel_size=(kind(3), kind(1))))
    assert repr(layer) == repr(ACDAConv(
        **NUMBERS, scales=[3],
        atom_generator=dict(hidden_channels=8, kernel_size=(3, 1))))
    assert type(layer.groups) is type(layer.stride[0]) is int
    with pytest.raises(ValueError, match='must be a positive integer'):
        ACDAConv(4, 8, 3, groups=np.bool_(True))
    with pytest.raises(ValueError, match='must be a positive integer'):
        ACDAConv(4, 8, 3, num_atoms=np.float64(2))


def test_unknown_backend():
    with pytest.raises(ValueError, match="backend='cudnn' is unknown.*stock"):
        ACDAConv(4, 8, 3, backend='cudnn')


@pytest.mark.parametrize('shape', [(4, 6, 6), (2, 3, 6, 6), (2, 4, 6),
                                   (1, 2, 4, 6, 6)])
@pytest.mark.parametrize('kernel_size', (1, 3))
def test_rank_and_channels_of_the_input(shape, kernel_size):
    layer = ACDAConv(4, 8, kernel_size)
    with pytest.raises(ValueError, match=r'input must have shape \(B, 4, H,'):
        layer(torch.zeros(shape))


@pytest.mark.parametrize('kernel_size', (1, 3))
@pytest.mark.parametrize('dtype', (torch.int64, torch.uint8, torch.bool,
                                   torch.complex64))
def test_dtype_of_the_input(dtype, kernel_size):
    layer = ACDAConv(4, 8, kernel_size)
    with pytest.raises(
            TypeError, match=f'input must be a .*floating point.*{dtype}'):
        layer(torch.zeros(2, 4, 6, 6, dtype=dtype))


def test_input_that_is_not_a_tensor():
    with pytest.raises(TypeError, match='input must be a .*Tensor.*ndarray'):
        ACDAConv(4, 8, 3)(np.zeros((2, 4, 6, 6), np.float32))


@pytest.mark.parametrize('arguments,size', [
    (dict(kernel_size=3), (2, 6)),
    (dict(kernel_size=3), (6, 2)),
    (dict(kernel_size=5, padding=1), (2, 2)),
    (dict(kernel_size=3, dilation=2), (4, 9)),
    (dict(kernel_size=3, scales=(3, 5, 7)), (2, 2)),
])
def test_input_smaller_than_the_kernel(arguments, size):
    with pytest.raises(ValueError, match='input of .* is smaller than the'):
        ACDAConv(4, 8, **arguments)(torch.zeros(2, 4, *size))


@pytest.mark.parametrize('mode,padding,size', [
    ('reflect', 1, (1, 6)),
    ('reflect', 2, (6, 2)),
    ('circular', 3, (6, 2)),
])
def test_padding_that_the_input_cannot_give(mode, padding, size):
    layer = ACDAConv(4, 8, 3, padding=padding, padding_mode=mode)
    with pytest.raises(ValueError, match=f"padding_mode='{mode}' with"):
        layer(torch.zeros(2, 4, *size))
