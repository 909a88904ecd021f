"""The context of tiles, from the network itself."""
import pytest
import torch
import torch.nn as nn

from mmacda.apis.receptive_radius import receptive_radius
from mmacda.layers import ACDAConv


class Told(nn.Conv2d):
    receptive_radius = 77


class Averaging(nn.Conv2d):

    def forward(self, x):
        return super().forward(x) * x.mean((1, 2, 3), keepdim=True)


@pytest.mark.parametrize('network, radius', [
    (nn.Conv2d(3, 2, 5, padding=2), 2),
    (nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.BatchNorm2d(4),
                   nn.Conv2d(4, 2, 3, 1, 2, dilation=2)), 3),
    (nn.Conv2d(3, 2, 3, padding=700, dilation=700), 700),
    (nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=300, dilation=300)
                     for _ in range(3))), 900),
    (Told(3, 2, 3), 77),
    (Averaging(3, 2, 3, padding=1), None),
    (nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=2000, dilation=2000)
                     for _ in range(3))), None),
])
def test_radius(network, radius):
    assert receptive_radius(network.eval(), 8) == radius


@pytest.mark.parametrize('generator, radius', [(3, 3), (1, 3), (5, 4)])
def test_radius_of_adaptive_layers(generator, radius):
    """The support of the atoms, or that of the two layers that make them."""
    conv = ACDAConv(3, 4, 3, padding=1, scales=(3, 5, 7),
                    atom_generator=dict(kernel_size=generator))
    assert receptive_radius(conv.eval(), 1) == radius


def test_radius_with_strides():
    """A tile starts at a multiple of the stride."""
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(4, 1, 3, padding=1)).eval()
    radius = receptive_radius(network, 4)
    x = torch.zeros(1, 3, 4, 80)
    whole = network(x)
    for distance, same in ((radius, True), (radius - 4, False)):
        y = x.clone()
        y[..., :40 - distance] = 1e6
        changed = network(y)[..., 10:]
        assert torch.equal(changed, whole[..., 10:]) == same
