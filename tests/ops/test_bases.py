"""What backends know of the bases: read once, never of the wrong tensor."""
import pickle

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmacda.ops import adaptive_conv2d, fourier_bessel_bases, reference
from mmacda.ops.backends import bases as bases_module
from mmacda.ops.backends import capture, stock
from mmacda.ops.backends.bases import describe
from mmacda.ops.backends.fixed_bases import FixedBases, constant
from mmacda.ops.geometry import ConvGeometry

PSI = fourier_bessel_bases()
CPU, META = torch.device('cpu'), torch.device('meta')
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def live_taps(bases):
    return (bases.flatten(1) != 0).any(0).nonzero().flatten().tolist()


@pytest.fixture
def readings(monkeypatch):
    """Grows with every tensor whose content is read."""
    found, read = [], bases_module._content
    monkeypatch.setattr(bases_module, '_content',
                        lambda tensor: found.append(tensor) or read(tensor))
    return found


@pytest.mark.parametrize('dtype', DTYPES)
def test_fixed_bases_are_made_and_described_once(dtype, readings):
    made = constant(PSI.numpy(), CPU, dtype)
    assert torch.equal(made, PSI.to(dtype))
    assert constant(PSI.numpy(), CPU, dtype) is made
    readings.clear()
    known = describe(made, 0)
    assert known.live == live_taps(made) and len(known.live) == 37
    assert np.array_equal(known.values, made.double().flatten(1).numpy())
    # As autograd, DataParallel and torch.compile may hand them on.
    assert describe(made.detach(), 0) is known
    assert describe(made.view_as(made), 0) is known
    assert not readings


@pytest.mark.parametrize('change', [
    lambda psi: psi.clone(), lambda psi: psi.flip(0).contiguous(),
    lambda psi: psi.mT, lambda psi: psi[::2], lambda psi: psi[:, 1:-1, 1:-1],
    torch.zeros_like, lambda psi: torch._neg_view(psi),
    lambda psi: psi[:1].expand(3, -1, -1), torch.nn.Parameter
])
@pytest.mark.parametrize('inference', [False, True])
def test_others_are_described_by_content(change, inference):
    with torch.inference_mode(inference):
        bases = change(constant(PSI.numpy(), CPU, torch.float32))
        known = describe(bases, 0)
        assert known.live == (live_taps(bases) or [0])
        expected = bases.detach().resolve_neg().flatten(1).numpy()
        assert np.array_equal(known.values, expected)


@pytest.mark.parametrize('inference', [False, True])
def test_an_edit_in_place_is_seen(inference):
    with torch.inference_mode(inference):
        bases = PSI.float()
        assert len(describe(bases, 0).live) == 37
        bases[:, 0] = 1
        assert len(describe(bases, 0).live) > 37


def test_written_fixed_bases_are_made_anew():
    made = constant(PSI.numpy(), CPU, torch.float32)
    made[:, 0] = 1
    assert len(describe(made, 0).live) > 37
    again = constant(PSI.numpy(), CPU, torch.float32)
    assert again is not made and torch.equal(again, PSI.float())
    assert len(describe(again, 0).live) == 37


def test_parts_are_those_taps():
    known = describe(PSI, 0)
    taps = [30, 3, 24]
    expected = PSI.flatten(1)[:, taps].half()
    part = known.at(taps, PSI, torch.float16)
    assert torch.equal(part, expected) and part.is_contiguous()
    assert known.at(taps, PSI, torch.float16) is part
    turned = known.at(taps, PSI, torch.float16, transposed=True)
    assert torch.equal(turned, expected.T) and turned.is_contiguous()


@pytest.mark.parametrize('turned', [False, True])
def test_sparse_values_are_all_there(turned):
    sparse = describe(PSI, 0).sparse(turned)
    dense = np.zeros((len(PSI), 7, 7), np.float32)
    start, taps, values = sparse.by_coefficient
    for j in range(len(PSI)):
        these = slice(start[j], start[j + 1])
        dense[j, sparse.rows[taps[these]],
              sparse.columns[taps[these]]] = values[these]
    expected = PSI.float().numpy()
    assert np.array_equal(dense,
                          expected.swapaxes(1, 2) if turned else expected)


def test_direct_atoms():
    known = describe(None, 9)
    assert known.live == list(range(9)) and describe(None, 9) is known
    assert np.array_equal(known.values, np.eye(9))


def test_tensors_without_values_are_not_kept():
    for bases in (PSI.to(META), constant(PSI.numpy(), META, torch.float32)):
        assert describe(bases, 0).live == list(range(49))
    with FakeTensorMode():
        fake = torch.empty(18, 7, 7)
        known = describe(fake, 0)
        assert isinstance(known.at([1, 2], fake, torch.half), FakeTensor)
    assert known is not describe(fake, 0)
    with pytest.raises(RuntimeError, match='no values'):
        known.sparse(False)


def test_what_is_made_in_a_mode_lasts():
    values = np.random.default_rng(0).random((2, 3, 3))
    with FakeTensorMode(), torch.inference_mode(), torch.device('meta'), \
            torch.autocast('cpu', torch.bfloat16):
        made = constant(values, CPU, torch.bfloat16)
        part = describe(made, 0).at([0], made, torch.float32)
    for tensor in (made, part):
        assert type(tensor) is torch.Tensor and not tensor.is_inference()
        assert tensor.device == CPU
    assert torch.equal(made, torch.tensor(values).bfloat16())


def test_functional_transforms_leave_nothing():
    given = [torch.rand(1, 2, 5, 5), torch.rand(1, 2, 18, 5, 5),
             torch.rand(3, 4, 1, 1)]

    def run(bases):
        return adaptive_conv2d(given[0], given[1], bases, given[2], None, 1, 3,
                               backend='reference')

    stacked = torch.func.vmap(run)(torch.stack([PSI.float()] * 2))
    expected = reference.adaptive_conv2d(given[0], given[1], PSI.float(),
                                         given[2], None, 1, 3)
    torch.testing.assert_close(stacked[1], expected)


def test_equal_content_is_one_object():
    fixed = FixedBases(PSI.numpy())
    assert FixedBases(PSI.numpy().copy()) is fixed
    assert pickle.loads(pickle.dumps(fixed)) is fixed
    assert FixedBases(PSI.numpy()[:1]) is not fixed
    assert not fixed.values.flags.writeable


@pytest.mark.parametrize('backend', ['stock', 'native'])
def test_no_call_reads_fixed_bases(backend, readings):
    made = constant(PSI.numpy(), CPU, torch.float32)
    x = torch.rand(1, 2, 5, 5, requires_grad=True)
    readings.clear()
    for _ in range(2):
        adaptive_conv2d(x, torch.rand(1, 2, 18, 5, 5), made,
                        torch.rand(3, 4, 1, 1), None, 1, 3,
                        backend=backend).sum().backward()
    assert not readings


class Crossings(TorchDispatchMode):
    """Operators between a CPU and a GPU: each would wait for the GPU."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        devices = {leaf.device.type for leaf in tree_leaves(
            (args, kwargs, result)) if isinstance(leaf, torch.Tensor)}
        if len(devices) > 1 or 'scalar_dense' in func.name():
            self.names.append(func.name())
        return result


def test_stock_on_a_gpu_waits_for_nothing():
    """So that it can be captured by a CUDA graph, too."""
    geometry = ConvGeometry.checked(1, 1, 1, 1)
    with FakeTensorMode(), Crossings() as found:
        x, alpha, weight, dy = (
            torch.empty(shape, device='cuda')
            for shape in ((2, 4, 6, 6), (2, 3, 9, 6, 6), (5, 12, 1, 1),
                          (2, 5, 6, 6)))
        bases = torch.empty(9, 3, 3, device='cuda')
        for psi in (None, bases):
            stock.forward(x, alpha, psi, weight, geometry)
            stock.backward(dy, x, alpha, psi, weight, geometry,
                           (True, True, False, True))
    assert not found.names


def test_a_capture_makes_no_parts(monkeypatch):
    known = describe(torch.rand(2, 3, 3), 0)
    part = known.at([1, 2], PSI, torch.float32)
    monkeypatch.setattr(capture, 'is_capturing', lambda: True)
    assert known.at([1, 2], PSI, torch.float32) is part
    with pytest.raises(RuntimeError, match='its bases are not on the device'):
        known.at([1, 3], PSI, torch.float32)
