"""Effective receptive fields against filters that are known."""
import math

import pytest
import torch
import torch.nn as nn

from mmacda.layers import ACDAConv
from mmacda.visualization import (atoms_of, compose_filters,
                                  effective_receptive_field)
from mmacda.visualization.pixels import tap_positions
from mmacda.visualization.receptive_field import field_moments


def constant_layer():
    torch.manual_seed(0)
    layer = ACDAConv(
        3, 4, 3, stride=2, padding=1, scales=(3, 5),
        atom_generator=dict(norm_cfg=None, act_cfg=None))
    layer.atom_generator.init_constant(torch.randn(6 * 12))
    return layer.double().eval()


def test_field_of_one_layer_is_its_filter():
    layer = constant_layer()
    coefficients = layer.atom_generator.conv2.bias.detach().reshape(6, 12)
    filters = compose_filters(layer, atoms_of(layer, coefficients))
    expected = filters.sum(0).norm(dim=0)
    inputs = torch.rand(1, 3, 15, 16, dtype=torch.float64)
    field, corner = effective_receptive_field(layer, inputs, [(3, 4), (0, 0)])
    rows, columns = tap_positions(layer, (3, 4))
    torch.testing.assert_close(field[rows][:, columns], expected)
    torch.testing.assert_close(field.pow(2).sum(), expected.pow(2).sum())
    torch.testing.assert_close(corner[:3, :3], expected[2:, 2:])
    assert not inputs.requires_grad and layer.weight.grad is None


def test_field_grows_through_the_network():
    torch.manual_seed(0)
    layer = constant_layer()
    model = nn.Sequential(layer, nn.Conv2d(4, 2, 3).double()).eval()
    inputs = torch.rand(1, 3, 17, 17, dtype=torch.float64)
    inner = effective_receptive_field(model, inputs, [(4, 4)], '0')[0]
    outer = effective_receptive_field(model, inputs, [(3, 3)])[0]
    # 5 x 5 taps, then 3 x 3 pixels that are 2 apart.
    assert [(inner > 0).any(d).sum().item() for d in (0, 1)] == [5, 5]
    assert [(outer > 0).any(d).sum().item() for d in (0, 1)] == [9, 9]
    assert field_moments(outer)[2] > field_moments(inner)[2]


def test_moments():
    field = torch.zeros(6, 7)
    field[2, 1] = field[2, 5] = 3
    assert field_moments(field) == pytest.approx((2, 3, 2))
    assert math.isnan(field_moments(torch.zeros(3, 3))[2])


def test_says_what_is_wrong():
    model = nn.Sequential(constant_layer(), nn.Flatten()).eval()
    inputs = torch.rand(1, 3, 9, 9, dtype=torch.float64)
    with pytest.raises(ValueError, match='the network is not a map'):
        effective_receptive_field(model, inputs, [(0, 0)])
    with pytest.raises(ValueError, match="no module 'head'"):
        effective_receptive_field(model, inputs, [(0, 0)], 'head')
    with pytest.raises(ValueError, match='pixel 5 0 lies outside'):
        effective_receptive_field(model, inputs, [(5, 0)], '0')
    assert not any(m._forward_hooks for m in model.modules())
