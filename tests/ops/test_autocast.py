"""Autocast on any device: cast as it asks, or as given where it is off."""
import pytest
import torch

from mmacda.layers import ACDAConv
from mmacda.ops import autocast, backends
from mmacda.ops.geometry import ConvGeometry


@pytest.mark.parametrize('named', [('cpu', 'cuda'), ('cuda', ), ()], ids=str)
def test_a_device_that_nobody_named(named, monkeypatch):
    monkeypatch.setattr(autocast, 'DEVICES', named)
    layer, x = ACDAConv(4, 4, 3), torch.rand(1, 4, 9, 9)
    with torch.autocast('cpu', torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer(x).dtype == torch.float32


@pytest.mark.parametrize('device', ['xpu', 'mps', 'hpu', 'cuda'])
def test_every_device_of_pytorch(device):
    if not hasattr(torch, 'get_autocast_dtype'):
        pytest.skip('needs torch 2.4')
    assert autocast.autocast_dtype(device) is None
    before = torch.get_autocast_dtype(device)
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, torch.bfloat16)
    try:
        assert autocast.autocast_dtype(device) == torch.bfloat16
    finally:
        torch.set_autocast_enabled(device, False)
        torch.set_autocast_dtype(device, before)


@pytest.mark.parametrize('device', ['meta', 'vulkan', 'no such device'])
def test_devices_without_autocast(device):
    assert autocast.autocast_dtype(device) is None


@pytest.mark.parametrize('device, names', [
    ('cuda', ('is_autocast_enabled', 'get_autocast_gpu_dtype')),
    ('cpu', ('is_autocast_cpu_enabled', 'get_autocast_cpu_dtype')),
    ('xpu', ('is_autocast_xpu_enabled', 'get_autocast_xpu_dtype'))
])
def test_before_there_was_one_function_for_all(device, names, monkeypatch):
    """As in torch 2.1 to 2.3."""
    monkeypatch.delattr(torch, 'get_autocast_dtype', raising=False)
    for enabled in (False, True):
        values = enabled, torch.bfloat16
        for name, value in zip(names, values):
            monkeypatch.setattr(
                torch, name, lambda value=value: value, raising=False)
        expected = torch.bfloat16 if enabled else None
        assert autocast.autocast_dtype(device) == expected
    assert autocast.autocast_dtype('meta') is None


class On:
    """An input on a device, as far as a choice and autocast look at it."""
    dtype, shape = torch.float16, (2, 64, 56, 56)

    def __init__(self, device):
        self.device = torch.device(device)

    def __len__(self):
        return self.shape[0]


@pytest.mark.parametrize('device', ['xpu', 'mps'])
def test_gpus_without_kernels_of_ours_are_served_by_stock(device,
                                                          monkeypatch):
    """In the dtype that autocast asks for, with autocast off inside."""
    if not hasattr(torch, 'get_autocast_dtype'):
        pytest.skip('needs torch 2.4')
    monkeypatch.setattr(backends.stock, 'find_obstacle', lambda *_: None)
    monkeypatch.delenv(backends.ENVIRONMENT_VARIABLE, raising=False)
    alpha, bases, weight = (
        torch.empty(shape, device='meta')
        for shape in ((2, 6, 18, 56, 56), (18, 7, 7), (64, 384, 1, 1)))
    x = On(device)
    name, _ = backends.choose_backend(None, x, alpha, bases, weight,
                                      ConvGeometry.checked(1, 3, 1, 1))
    assert name == 'stock'
    before = torch.get_autocast_dtype(device)
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, torch.float16)
    try:
        assert autocast.autocast_dtype(device) == torch.float16
        assert autocast.call_as_given(
            lambda _: torch.is_autocast_enabled(device), x) is False
        assert torch.is_autocast_enabled(device)
    finally:
        torch.set_autocast_enabled(device, False)
        torch.set_autocast_dtype(device, before)
