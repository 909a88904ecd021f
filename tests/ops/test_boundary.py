"""Where the operator meets PyTorch's own rules: as conv2d, or in words."""
import copy
import threading

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mmacda.layers import ACDAConv
from mmacda.ops import adaptive_conv2d, fourier_bessel_bases

SERVING = [None, 'native', 'stock', 'reference']


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    x, alpha, weight = (torch.randn(s, generator=generator) for s in (
        (2, 4, 6, 7), (2, 3, 18, 6, 7), (5, 12, 1, 1)))
    return x, alpha, fourier_bessel_bases().float(), weight


def call(x, alpha, bases, weight, backend=None, bias=None):
    return adaptive_conv2d(x, alpha, bases, weight, bias, padding=3,
                           backend=backend)


def near(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def leaves_of(tensors):
    return [t.clone().requires_grad_() for t in tensors]


@pytest.mark.parametrize('dtype', [
    torch.complex64, torch.int64, torch.uint8, torch.bool])
@pytest.mark.parametrize('place', range(4))
def test_dtypes_that_are_refused(dtype, place, tensors):
    given = list(tensors)
    given[place] = given[place].to(dtype)
    with pytest.raises(TypeError, match='floating point'):
        call(*given)


@pytest.mark.parametrize('backend', SERVING)
def test_eight_bits_end_in_an_error(backend, tensors):
    if not hasattr(torch, 'float8_e4m3fn'):
        pytest.skip('needs torch 2.1')
    x, alpha, bases, weight = tensors
    given = (t.to(torch.float8_e4m3fn) for t in (x, alpha, weight))
    x, alpha, weight = given
    with pytest.raises((TypeError, ValueError), match='float8'):
        call(x, alpha, bases, weight, backend)


@pytest.mark.parametrize('place', range(4))
def test_no_dimensions(place, tensors):
    given = list(tensors)
    given[place] = torch.tensor(1.)
    with pytest.raises(ValueError, match='must have shape'):
        call(*given)


@pytest.mark.parametrize('place', range(4))
def test_another_device(place, tensors):
    given = list(tensors)
    given[place] = given[place].to('meta')
    with pytest.raises(TypeError, match='move both to one device'):
        call(*given)


@pytest.mark.parametrize('backend', SERVING)
@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_what_is_not_finite_stays_where_it_reaches(value, backend, tensors):
    x, alpha, bases, weight = (t.clone() for t in tensors)
    x[0, 1, 2, 3] = value
    expected = call(x.double(), alpha.double(), bases.double(),
                    weight.double(), 'reference').isfinite()
    ours = call(x, alpha, bases, weight, backend).isfinite()
    # A tap that no basis uses is no product: it may keep an output finite.
    assert (ours >= expected).all()
    assert not ours.all()
    assert ours[1].all()
    alpha[1, 0, 0, 2, 2] = value
    ours = call(tensors[0], alpha, bases, weight, backend).isfinite()
    assert not ours[1, :, 2, 2].any()
    ours[1, :, 2, 2] = True
    assert ours.all()


@pytest.mark.parametrize('backend', SERVING)
def test_weights_of_any_strides(backend, tensors):
    x, alpha, bases, weight = tensors
    expected = call(x, alpha, bases, weight, 'reference')
    wide = torch.zeros(5, 24, 1, 1)
    wide[:, ::2] = weight
    turned = weight.transpose(0, 1).contiguous().transpose(0, 1)
    for other in (wide[:, ::2], turned):
        leaves = leaves_of((x, alpha, bases, weight))
        y = call(*leaves[:3], other, backend)
        near(y, expected)
        y.sum().backward()
    repeated = weight[:1].expand(5, -1, -1, -1)
    near(call(x, alpha, bases, repeated, backend),
         expected[:, :1].expand(-1, 5, -1, -1))


@pytest.mark.parametrize('backend', SERVING[:3])  # the reference copies
@pytest.mark.parametrize('place', [0, 1, 3])
def test_a_change_before_backward_is_noticed(backend, place, tensors):
    leaves = leaves_of(tensors)
    given = [t * 1 for t in leaves]
    y = call(*given, backend)
    with torch.no_grad():
        given[place].add_(1)
    with pytest.raises(RuntimeError, match='modified by an inplace'):
        y.sum().backward()


@pytest.mark.parametrize('backend', SERVING)
def test_results_share_no_memory(backend, tensors):
    leaves = leaves_of(tensors)
    y = call(*leaves, backend)
    y = y.relu_() if backend != 'reference' else y.relu()
    y.sum().backward()
    pointers = {t.data_ptr() for t in (
        y, *leaves, *(t.grad for t in leaves))}
    assert len(pointers) == 9


@pytest.mark.parametrize('make', [
    lambda: nn.Conv2d(4, 5, 3), lambda: ACDAConv(4, 5, 3)],
    ids=['conv2d', 'acda'])
def test_inference_tensors_in_training(make):
    layer = make()
    with torch.inference_mode():
        x = torch.rand(2, 4, 9, 9)
        assert layer(x).is_inference()
    with pytest.raises(RuntimeError, match='[Ii]nference tensors cannot'):
        layer(x).sum().backward()
    layer(x.clone()).sum().backward()


def gradients(layer, x, run=None):
    layer.zero_grad()
    y = layer(x) if run is None else run(x)
    y.square().sum().backward()
    return [p.grad.clone() for p in layer.parameters()]


@pytest.mark.parametrize('reentrant', [False, True])
def test_checkpointing(reentrant):
    layer = ACDAConv(4, 5, 3, padding=1)
    x = torch.rand(2, 4, 9, 9, requires_grad=True)
    expected = gradients(layer, x)
    found = gradients(layer, x, lambda x: checkpoint(
        layer, x, use_reentrant=reentrant))
    for ours, theirs in zip(found, expected):
        near(ours, theirs)


def test_hooks_on_saved_tensors():
    layer = ACDAConv(4, 5, 3, padding=1)
    x = torch.rand(2, 4, 9, 9, requires_grad=True)
    expected = gradients(layer, x)
    packed = []

    def pack(tensor):
        packed.append(tensor.shape)
        return tensor.detach().numpy().copy()

    with torch.autograd.graph.saved_tensors_hooks(pack, torch.from_numpy):
        y = layer(x)
    assert x.shape in packed
    layer.zero_grad()
    y.square().sum().backward()
    for p, theirs in zip(layer.parameters(), expected):
        near(p.grad, theirs)


def test_deterministic_mode():
    layer = ACDAConv(4, 5, 3, padding=1).eval()
    x = torch.rand(2, 4, 40, 40, requires_grad=True)
    expected = gradients(layer, x)
    torch.use_deterministic_algorithms(True)
    try:
        for _ in range(2):
            for ours, theirs in zip(gradients(layer, x), expected):
                assert torch.equal(ours, theirs)
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_gradient_scaler(dtype):
    if not hasattr(torch.amp, 'GradScaler'):
        pytest.skip('needs torch 2.3')
    torch.manual_seed(0)
    layer = ACDAConv(4, 5, 3, padding=1)
    x = torch.rand(2, 4, 9, 9)
    scaler = torch.amp.GradScaler('cpu', init_scale=2.**8)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    before = copy.deepcopy(layer.state_dict())
    with torch.autocast('cpu', dtype):
        y = layer(x)
        assert y.dtype == dtype
        loss = y.float().square().mean()
    scaler.scale(loss).backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all()
               for p in layer.parameters())
    scaler.step(optimizer)
    scaler.update()
    assert not torch.equal(layer.weight, before['weight'])


def test_replicas_in_threads():
    layer = ACDAConv(4, 5, 3, padding=1)
    replicas = [copy.deepcopy(layer) for _ in range(3)]
    x = torch.rand(2, 4, 20, 20)
    expected = gradients(layer, x)
    found = [None] * 3

    def work(n):
        with torch.autocast('cpu', torch.bfloat16, enabled=n == 2):
            found[n] = gradients(replicas[n], x)

    threads = [threading.Thread(target=work, args=(n, )) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(2):
        for ours, theirs in zip(found[n], expected):
            near(ours, theirs)


@pytest.mark.parametrize('backend', SERVING)
def test_half_overflows_to_infinity_as_conv2d(backend):
    x = torch.full((1, 1, 3, 3), 6e4, dtype=torch.float16)
    weight = torch.full((1, 1, 1, 1), 4., dtype=torch.float16)
    taps = torch.zeros(1, 1, 9, 3, 3, dtype=torch.float16)
    taps[:, :, 4] = 1
    y = adaptive_conv2d(x, taps, None, weight, padding=1, backend=backend)
    assert torch.equal(y, nn.functional.conv2d(x, weight))
    assert y.isinf().all()
